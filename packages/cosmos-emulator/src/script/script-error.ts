import { ServiceError } from '../service-error.ts';
import { logProperty, type ScriptOutcome } from './script-messages.ts';

/** 400: a script failed. The sub-status is the number of the error that it threw. */
export function scriptError({ message, substatus, log }: ScriptOutcome & { type: 'failed' }): ServiceError {
  return new ServiceError({
    status: 400,
    code: 'BadRequest',
    message: `Message: ${JSON.stringify({ Errors: [message] })}`,
    substatus,
    headers: logHeaders(log),
  });
}

/** What `console.log` was given, as the header that carries it. */
export function logHeaders(log: string): Record<string, string> {
  return log === '' ? {} : { [logProperty]: encodeURIComponent(log.toWellFormed()) };
}
