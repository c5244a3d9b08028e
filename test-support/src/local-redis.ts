import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Certificate } from './certificate.ts';
import type { EngineProcess } from './engine.ts';
import { freePort } from './free-port.ts';
import { GuardedProcess } from './guarded-process.ts';
import type { RedisBinary } from './redis-binary.ts';
import { temporaryHome } from './temporary-home.ts';

const START_ATTEMPTS = 5;
const RETRY_MS = 100;

/** What a {@link LocalRedis} is. */
export interface LocalRedisOptions {
  readonly binary: RedisBinary;
  readonly tls?: Certificate | undefined;
  /** First arguments of the program, given the folder of the server; asked for at each attempt to start. */
  readonly settings?: (home: string) => Promise<readonly string[]>;
  /** What the log says once it answers. */
  readonly ready?: RegExp;
}

/** A Redis of this machine that keeps nothing, to kill and restart at the same port. */
export class LocalRedis implements EngineProcess {
  readonly #options: LocalRedisOptions;
  readonly #home = temporaryHome('redis', {});
  #server: GuardedProcess | undefined;
  #port = 0;

  constructor(options: LocalRedisOptions) {
    this.#options = options;
  }

  /** Where it listens, on loopback. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#options.tls ? 'rediss' : 'redis'}://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const port = this.#port === 0 ? await freePort() : this.#port;
      try {
        this.#server = await this.#run(port);
        this.#port = port;
        return;
      } catch (error) {
        const taken = error instanceof Error && /in use/i.test(error.message);
        if (!taken || attempt === START_ATTEMPTS) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  async kill(): Promise<void> {
    await this.#server?.stop('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  log(): string {
    return this.#server?.log() ?? '';
  }

  async stop(): Promise<void> {
    await this.kill(); // nothing is kept, so there is nothing to flush
    rmSync(this.#home, { recursive: true, force: true });
  }

  #doors(port: number): readonly string[] {
    const { tls } = this.#options;
    if (!tls) return ['--port', String(port)];
    const [key, cert] = [join(this.#home, 'server.key'), join(this.#home, 'server.crt')];
    writeFileSync(key, tls.key, { mode: 0o600 });
    writeFileSync(cert, tls.cert);
    const files = ['--tls-key-file', key, '--tls-cert-file', cert, '--tls-ca-cert-file', cert];
    return ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
  }

  async #run(port: number): Promise<GuardedProcess> {
    const { binary, settings, ready = /Ready to accept connections/ } = this.#options;
    const first = (await settings?.(this.#home)) ?? [];
    const place = [...this.#doors(port), '--bind', '127.0.0.1', '--dir', this.#home];
    const order = {
      command: binary.command,
      args: [...first, ...place, '--save', '', '--appendonly', 'no', '--daemonize', 'no'],
      cwd: this.#home,
      env: binary.env,
      user: {},
      logFile: join(this.#home, 'redis.log'),
      stopSignal: 'SIGKILL' as const,
      removeWhenAbandoned: [this.#home],
    };
    return GuardedProcess.start(order, ready);
  }
}
