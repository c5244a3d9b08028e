import type { ErrorResponse } from '@azure/cosmos';

/** Gives the error that a request of the SDK ends with. Rejects when it ends without one. */
export async function refusal(work: Promise<unknown>): Promise<Partial<ErrorResponse>> {
  try {
    await work;
  } catch (error) {
    return error as ErrorResponse;
  }
  throw new Error('The request was not refused.');
}
