import { type GateAnswer, SealedError, UnknownOutcomeError } from '@polyphase/core';

/** What keeps a step back that several groups take together. */
export function moveTogether(seen: string, wanted: string): GateAnswer {
  return { name: 'moves together', passed: false, seen, wanted };
}

/** What keeps a flip back for a while after another was given up. */
export function pausing(waitMs: number): GateAnswer {
  return {
    name: 'pause after a flip that was given up',
    passed: false,
    seen: `${Math.round(waitMs)} ms left`,
    wanted: '0 ms',
  };
}

/** Why a flip was given up. */
export function givenUp(error: unknown): GateAnswer {
  // Of a step that was cut off, the store tells only that its outcome is not known; why it was cut off says more.
  const isCutOff = UnknownOutcomeError.isInstance(error) && SealedError.isInstance(error.cause);
  return {
    name: 'flip',
    passed: false,
    seen: textOf(isCutOff ? error.cause : error),
    wanted: 'every call and lease over in time, every change copied, no difference',
  };
}

/** Why a step failed. */
export function failedStep(error: unknown): GateAnswer {
  return { name: 'step', passed: false, seen: textOf(error), wanted: 'no failure: it is tried again' };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
