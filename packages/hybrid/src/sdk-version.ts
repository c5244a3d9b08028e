import manifest from '../package.json' with { type: 'json' };

/** Version of this package, which members tell each other. */
export const SDK_VERSION: string = manifest.version;
