import type { Resource } from '../storage/journal.ts';
import { replacedContent } from '../storage/offer.ts';
import { resourceFeed } from './resource-feed.ts';
import { readDefinition, requireMatch } from './resource-routes.ts';
import type { Reply, RouteContext, RouteTable } from './route-context.ts';

const collection = 'offers';

const list = (context: RouteContext): Reply =>
  resourceFeed(context, 'Offers', context.account.list(collection));

const current = ({ account, target }: RouteContext): Resource =>
  account.read(collection, target.segments[1] ?? '');

/** Offers: read, list, query, replace. They come and go with their databases and containers. */
export const offerRoutes: RouteTable = {
  'offers.read': (context) => reply(current(context)),
  'offers.list': list,
  'offers.query': list,
  'offers.replace': (context) => {
    const offer = current(context);
    const body = readDefinition(context);
    const content = replacedContent(offer, body, context.request.headers);
    requireMatch(context, offer);
    const { id, resource, offerType, offerResourceId, offerVersion } = offer;
    const replaced = { id, resource, offerType, offerResourceId, offerVersion, content };
    return reply(context.account.replace(collection, offer, replaced));
  },
};

/** Tells whether a database or a container has an offer of its own. */
export function hasOffer({ account }: RouteContext, owner: Resource | undefined): boolean {
  return account.list(collection).some(({ offerResourceId }) => offerResourceId === owner?._rid);
}

function reply(offer: Resource): Reply {
  return {
    body: offer,
    headers: { 'x-ms-cosmos-min-throughput': '400', 'x-ms-offer-replace-pending': 'false' },
  };
}
