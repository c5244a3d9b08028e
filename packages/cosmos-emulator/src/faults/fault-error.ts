import { ServiceError } from '../service-error.ts';
import type { Fault } from './fault-queue.ts';

const words: Readonly<Record<NonNullable<Fault['status']>, readonly [code: string, message: string]>> = {
  408: ['RequestTimeout', 'The request timed out.'],
  410: ['Gone', 'The requested resource is no longer available at the server.'],
  429: [
    'TooManyRequests',
    'Request rate is large. More Request Units may be needed, so no changes were made.',
  ],
  449: ['RetryWith', 'Conflicting request to resource has been attempted. Retry to avoid conflicts.'],
  500: ['InternalServerError', 'An unknown error occurred while processing this request.'],
  503: ['ServiceUnavailable', 'The service is currently unavailable. Please try again.'],
};

/** The refusal that a fault asks for. */
export function faultError(fault: Fault, status: NonNullable<Fault['status']>): ServiceError {
  const [code, message] = words[status];
  const retryAfter = fault.retryAfterMs ?? (status === 429 ? 0 : undefined);
  return new ServiceError({
    status,
    code,
    message,
    substatus: fault.substatus ?? (status === 429 ? 3200 : undefined),
    headers: retryAfter === undefined ? {} : { 'x-ms-retry-after-ms': String(retryAfter) },
  });
}

/** The connection broke: in process, the client sees it as a reset socket. */
export class ConnectionResetError extends Error {
  override readonly name = 'RestError';
  readonly code = 'ECONNRESET';

  constructor() {
    super('socket hang up');
  }
}
