import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import { inCi } from './engine.ts';

/** Ends a run with `N passed, N failed, N skipped` alone on a line. In CI, where no engine may be missing, a skip fails. */
export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const total = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        total[state] += 1;
        if (state === 'skipped' && inCi())
          process.stdout.write(`skipped: ${module.moduleId} > ${test.fullName}\n`);
      }
      for (const suite of module.children.allSuites()) total.failed += suite.errors().length;
      total.failed += module.errors().length; // a file that did not load has no tests to count
    }
    if (inCi() && total.skipped > 0) process.exitCode = 1;
    // a test that never ran to its end was interrupted
    process.stdout.write(
      `${total.passed} passed, ${total.failed + total.pending} failed, ${total.skipped} skipped\n`,
    );
  }
}
