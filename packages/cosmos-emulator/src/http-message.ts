/** A request as any way in delivers it. */
export interface ServiceRequest {
  readonly method: string;
  /** Scheme and host that it was sent to, such as `http://localhost:8081`. */
  readonly origin: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/** An answer, ready to be sent. */
export interface ServiceResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
