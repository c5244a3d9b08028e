/** The consistency levels of the service, strongest first. */
export const consistencyLevels = [
  'Strong',
  'BoundedStaleness',
  'Session',
  'ConsistentPrefix',
  'Eventual',
] as const;

/** A consistency level of the service. */
export type ConsistencyLevel = (typeof consistencyLevels)[number];
