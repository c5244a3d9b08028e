/** A refusal as the service words it: the HTTP status, its code, its message and, for some, a sub-status. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly status: number;
  readonly code: string;
  readonly substatus: number | undefined;
  /** Headers that go with the answer, such as the wait before a retry. */
  readonly headers: Readonly<Record<string, string>>;
  /** Further properties of the error body. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(init: {
    status: number;
    code: string;
    message: string;
    substatus?: number | undefined;
    headers?: Readonly<Record<string, string>>;
    details?: Readonly<Record<string, unknown>>;
  }) {
    super(init.message);
    this.status = init.status;
    this.code = init.code;
    this.substatus = init.substatus;
    this.headers = init.headers ?? {};
    this.details = init.details ?? {};
  }
}

/** 400: the request is not one that the service understands or allows. */
export function badRequest(message: string, substatus?: number): ServiceError {
  return new ServiceError({ status: 400, code: 'BadRequest', message, substatus });
}

/** 401: no signature, or one made with another key. */
export function unauthorized(message: string): ServiceError {
  return new ServiceError({ status: 401, code: 'Unauthorized', message });
}

/** 403: who asks is known, and may not. */
export function forbidden(
  message = 'Insufficient permissions provided in the authorization header for the corresponding request. Please retry with another authorization header.',
  substatus?: number,
): ServiceError {
  return new ServiceError({ status: 403, code: 'Forbidden', message, substatus });
}

/** 404: the resource, or one that holds it, does not exist. */
export function notFound(
  message = 'Entity with the specified id does not exist in the system.',
): ServiceError {
  return new ServiceError({ status: 404, code: 'NotFound', message });
}

/** 404: what should hold the resource does not exist. */
export function ownerNotFound(): ServiceError {
  const message = 'Owner resource does not exist';
  return new ServiceError({ status: 404, code: 'NotFound', message, substatus: 1003 });
}

/** 404 with 1002: the session of the client has seen writes that are not here. */
export function readSessionNotAvailable(): ServiceError {
  const message = 'The read session is not available for the input session token.';
  return new ServiceError({ status: 404, code: 'NotFound', message, substatus: 1002 });
}

/** 405: the kind of resource knows no such method. */
export function methodNotAllowed(): ServiceError {
  return new ServiceError({
    status: 405,
    code: 'MethodNotAllowed',
    message: 'The requested verb is not supported.',
  });
}

/** 409: the id or a unique key is taken. */
export function conflict(
  message = 'Entity with the specified id already exists in the system.',
): ServiceError {
  return new ServiceError({ status: 409, code: 'Conflict', message });
}

/** 410: the client's view of the partitions is out of date; it refreshes and asks again. */
export function partitionGone(): ServiceError {
  const message = 'The requested resource is no longer available at the server.';
  return new ServiceError({ status: 410, code: 'Gone', message, substatus: 1002 });
}

/** 412: the ETag, or the condition of a patch, does not hold. */
export function preconditionFailed(): ServiceError {
  const message = 'Operation cannot be performed because one of the specified precondition is not met.';
  return new ServiceError({ status: 412, code: 'PreconditionFailed', message });
}

/** 413: the item or the request is over its limit. */
export function tooLarge(): ServiceError {
  return new ServiceError({
    status: 413,
    code: 'RequestEntityTooLarge',
    message: 'Request size is too large',
  });
}

/** 400 for a query, in the shape that carries severity, position and the compiler's own code. */
export function queryError(
  message: string,
  code: string,
  location?: { start: number; end: number },
): ServiceError {
  const entry = { severity: 'Error', ...(location ? { location } : {}), code, message };
  return badRequest(`Message: ${JSON.stringify({ errors: [entry] })}`);
}
