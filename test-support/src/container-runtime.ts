let answer: Promise<boolean> | undefined;

/** Whether a container engine answers; asked once, and quick where there is none. */
export function containerRuntime(): Promise<boolean> {
  answer ??= ask();
  return answer;
}

async function ask(): Promise<boolean> {
  try {
    const { getContainerRuntimeClient } = await import('testcontainers');
    await getContainerRuntimeClient();
    return true;
  } catch {
    return false;
  }
}
