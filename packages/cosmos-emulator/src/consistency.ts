/** A consistency level of the service. */
export type ConsistencyLevel = 'Strong' | 'BoundedStaleness' | 'Session' | 'ConsistentPrefix' | 'Eventual';

/** The consistency levels of the service, strongest first. */
export const consistencyLevels: readonly ConsistencyLevel[] = [
  'Strong',
  'BoundedStaleness',
  'Session',
  'ConsistentPrefix',
  'Eventual',
];
