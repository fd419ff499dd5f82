/** The top of the page: connection, model, engine, the disclaimer and the banner of a lost connection. */
import type { AppState, Connection, StationView } from '../state/model.js';
import { byId, setAttribute, setHidden, setText } from './dom.js';

const connectionTexts: Record<Connection['state'], string> = {
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Disconnected',
  failed: 'Stopped',
};

export class HeaderView {
  private readonly pill = byId('connection');
  private readonly pillText = byId('connection-text');
  private readonly model = byId('fact-model');
  private readonly engine = byId('fact-engine');
  private readonly disclaimer = byId('disclaimer');
  private readonly banner = byId('banner');
  private readonly bannerTitle = byId('banner-title');
  private readonly bannerDetail = byId('banner-detail');
  private readonly layout = byId('layout');
  /** A first connection that is still being made is no loss. */
  private troubled = false;

  render({ connection, station }: AppState, nowMs: number): void {
    if (connection.state === 'open') this.troubled = false;
    if (connection.state === 'waiting' || connection.state === 'failed') this.troubled = true;
    setAttribute(this.pill, 'data-state', connection.state);
    setText(this.pillText, connectionTexts[connection.state]);
    setAttribute(this.layout, 'data-stale', this.troubled ? 'true' : undefined);
    this.renderBanner(connection, station !== undefined, nowMs);
    if (station !== undefined) this.renderStation(station);
  }

  private renderBanner(connection: Connection, hadStation: boolean, nowMs: number): void {
    setHidden(this.banner, !this.troubled);
    if (!this.troubled) return setText(this.bannerTitle, '');
    if (connection.state === 'failed') {
      setText(this.bannerTitle, 'Connection stopped.');
      return setText(this.bannerDetail, connection.reason);
    }
    // The title is read aloud, the countdown isn't.
    setText(this.bannerTitle, hadStation ? 'Connection lost,' : 'No connection to the station,');
    setText(this.bannerDetail, connection.state === 'waiting' ? waitingText(connection.retryAtMs - nowMs) : 'trying now…');
  }

  private renderStation({ model, engine, disclaimer, server }: StationView): void {
    setText(this.model, `${model.name} ${model.version}`);
    setText(this.engine, engineText(engine));
    setAttribute(this.engine, 'title', `${server.name} ${server.version}`);
    // The static sentence stays when a station sends an empty one.
    if (disclaimer.trim() !== '') setText(this.disclaimer, disclaimer);
  }
}

function waitingText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return `trying again in ${String(seconds)} s`;
}

function engineText({ engine, version, device, threads }: StationView['engine']): string {
  const counted = threads > 0 ? `, ${String(threads)} ${threads === 1 ? 'thread' : 'threads'}` : '';
  return `${engine} ${version} on ${device}${counted}`;
}
