/** Entry point of the dashboard page. */
import { Dashboard } from './dashboard.js';
import { rememberedStream, streamOfHash } from './state/selection.js';

const dashboard = new Dashboard(new URL(location.href), streamOfHash(location.hash) ?? rememberedStream());

addEventListener('hashchange', () => {
  const named = streamOfHash(location.hash);
  if (named !== undefined) dashboard.select(named);
});
