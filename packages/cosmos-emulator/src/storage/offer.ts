import { canonical, isObject, type Json, type JsonObject } from '../json.ts';
import { badRequest } from '../service-error.ts';
import type { Resource } from './journal.ts';

/** Request units per second: as many as are bought, or up to a maximum that scales by itself. */
export type Throughput =
  | { readonly kind: 'manual'; readonly units: number }
  | { readonly kind: 'autoscale'; readonly maximum: number; readonly policy?: Json | undefined };

/** What a container gets that asks for nothing and has nothing to share. */
export const defaultThroughput: Throughput = { kind: 'manual', units: 400 };

/** Request units per second that a physical partition of a new container gets, by the service's guide to scaling. */
const unitsOfPartition: Readonly<Record<Throughput['kind'], number>> = { manual: 6000, autoscale: 10_000 };

/** How many physical partitions a new container gets for its throughput: one where it shares that of its database. */
export function partitionsFor(throughput: Throughput | undefined): number {
  return throughput === undefined ? 1 : Math.ceil(peakOf(throughput) / unitsOfPartition[throughput.kind]);
}

type Headers = Readonly<Record<string, string | undefined>>;

const autoscaleHeader = 'x-ms-cosmos-offer-autopilot-settings';
const toAutoscaleHeader = 'x-ms-cosmos-migrate-offer-to-autopilot';
const toManualHeader = 'x-ms-cosmos-migrate-offer-to-manual-throughput';

/** Reads the throughput that the headers of a create ask for; undefined where they ask for none. Throws 400. */
export function requestedThroughput(headers: Headers): Throughput | undefined {
  const units = headers['x-ms-offer-throughput'];
  const settings = headers[autoscaleHeader];
  if (settings !== undefined) {
    if (units !== undefined) throw badRequest('Only one of throughput and autoscale settings may be given.');
    return autoscaleOf(parsed(settings));
  }
  return units === undefined ? undefined : manualOf(Number(units));
}

/** The offer of a new database or container. */
export function offerOf({ _self, _rid }: Resource, throughput: Throughput): JsonObject {
  return {
    resource: _self,
    offerType: 'Invalid',
    offerResourceId: _rid,
    offerVersion: 'V2',
    content: contentOf(throughput, peakOf(throughput)),
  };
}

/**
 * Reads what a client sent to replace an offer, and gives its new content. The kind of throughput stays unless a header
 * asks to migrate it, and then the service chooses the numbers. Throws 400.
 */
export function replacedContent(old: JsonObject, body: JsonObject, headers: Headers): JsonObject {
  for (const name of ['id', '_rid', 'resource', 'offerResourceId']) {
    if (canonical(body[name]) !== canonical(old[name])) {
      throw badRequest(`The property '${name}' of an offer cannot be changed.`);
    }
  }
  const before = isObject(old.content) ? old.content : {};
  const peak = everProvisioned(before);
  const wasAutoscale = isObject(before.offerAutopilotSettings);
  if (isYes(headers[toAutoscaleHeader]) && !wasAutoscale) {
    return contentOf({ kind: 'autoscale', maximum: Math.max(1000, Math.ceil(peak / 1000) * 1000) }, peak);
  }
  if (isYes(headers[toManualHeader]) && wasAutoscale) {
    return contentOf({ kind: 'manual', units: Math.max(400, maximumOf(before)) }, peak);
  }
  if (!isObject(body.content)) throw badRequest("The property 'content' of an offer is missing.");
  const throughput = throughputOf(body.content);
  if ((throughput.kind === 'autoscale') !== wasAutoscale) {
    throw badRequest(
      `The kind of throughput of an offer is changed by the header ${wasAutoscale ? toManualHeader : toAutoscaleHeader} alone.`,
    );
  }
  return contentOf(throughput, Math.max(peak, peakOf(throughput)));
}

function throughputOf({ offerThroughput, offerAutopilotSettings }: JsonObject): Throughput {
  return isObject(offerAutopilotSettings)
    ? autoscaleOf(offerAutopilotSettings)
    : manualOf(typeof offerThroughput === 'number' ? offerThroughput : Number.NaN);
}

function manualOf(units: number): Throughput {
  requireStep(units, { minimum: 400, step: 100 });
  return { kind: 'manual', units };
}

function autoscaleOf({ maxThroughput, autoUpgradePolicy }: JsonObject): Throughput {
  const maximum = typeof maxThroughput === 'number' ? maxThroughput : Number.NaN;
  requireStep(maximum, { minimum: 1000, step: 1000 });
  return { kind: 'autoscale', maximum, policy: autoUpgradePolicy };
}

const highest = 1_000_000;

function requireStep(units: number, { minimum, step }: { minimum: number; step: number }): void {
  if (units >= minimum && units <= highest && units % step === 0) return;
  throw badRequest(
    `The offer should have valid throughput values between ${minimum} and ${highest} inclusive in increments of ${step}.`,
  );
}

function contentOf(throughput: Throughput, peak: number): JsonObject {
  const isAutoscale = throughput.kind === 'autoscale';
  return {
    // Autoscale starts at a tenth of its maximum.
    offerThroughput: isAutoscale ? throughput.maximum / 10 : throughput.units,
    offerIsRUPerMinuteThroughputEnabled: false,
    offerMinimumThroughputParameters: { maxThroughputEverProvisioned: peak, maxConsumedStorageEverInKB: 0 },
    ...(isAutoscale ? { offerAutopilotSettings: settingsOf(throughput.maximum, throughput.policy) } : {}),
  };
}

function settingsOf(maximum: number, policy: Json | undefined): JsonObject {
  return {
    tier: 0,
    maximumTierThroughput: 0,
    autoUpgrade: false,
    maxThroughput: maximum,
    ...(policy === undefined ? {} : { autoUpgradePolicy: policy }),
  };
}

function peakOf(throughput: Throughput): number {
  return throughput.kind === 'autoscale' ? throughput.maximum : throughput.units;
}

function everProvisioned({ offerMinimumThroughputParameters: parameters }: JsonObject): number {
  return isObject(parameters) ? Number(parameters.maxThroughputEverProvisioned) : 0;
}

function maximumOf({ offerAutopilotSettings: settings }: JsonObject): number {
  return isObject(settings) ? Number(settings.maxThroughput) : 0;
}

function parsed(text: string): JsonObject {
  try {
    const value: Json = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Falls through: what is no JSON is refused like what is no object.
  }
  throw badRequest(`The value '${text}' specified for the header '${autoscaleHeader}' is invalid.`);
}

function isYes(header: string | undefined): boolean {
  return header?.toLowerCase() === 'true';
}
