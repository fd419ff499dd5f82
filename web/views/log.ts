/** The event log, newest first. Entries are made only while it is open. */
import type { AppState, LogEntry } from '../state/model.js';
import { formatClock } from '../text/format.js';
import { byId, make, setHidden, setText } from './dom.js';

const kindTexts: Record<LogEntry['kind'], string> = {
  status: 'Status',
  gap: 'Gap',
  drop: 'Drop',
  error: 'Error',
  connection: 'Connection',
  ignored: 'Ignored',
};

export class LogView {
  private readonly box = byId<HTMLDetailsElement>('log');
  private readonly list = byId('log-list');
  private readonly count = byId('log-count');
  private readonly empty = byId('log-empty');
  private readonly items = new Map<number, { entry: LogEntry; element: HTMLElement }>();
  private drawn: AppState['log'] | undefined;
  private latest: AppState | undefined;

  constructor() {
    this.box.addEventListener('toggle', () => {
      if (this.latest !== undefined) this.renderList(this.latest.log);
    });
  }

  render(state: AppState): void {
    this.latest = state;
    if (state.log === this.drawn) return;
    setText(this.count, summary(state));
    setHidden(this.empty, state.log.length > 0);
    if (this.box.open) this.renderList(state.log);
    this.drawn = state.log;
  }

  private renderList(log: AppState['log']): void {
    const oldest = log[0]?.id ?? Number.POSITIVE_INFINITY;
    for (const [id, { element }] of this.items) {
      if (id >= oldest) continue;
      element.remove();
      this.items.delete(id);
    }
    for (const entry of log) {
      const shown = this.items.get(entry.id);
      if (shown?.entry === entry) continue;
      const element = makeEntry(entry);
      if (shown === undefined) this.list.prepend(element);
      else shown.element.replaceWith(element);
      this.items.set(entry.id, { entry, element });
    }
  }
}

function summary({ log, ignored }: AppState): string {
  const errors = log.filter((entry) => entry.severity === 'error').length;
  const parts = [log.length === 1 ? '1 event' : `${String(log.length)} events`];
  if (errors > 0) parts.push(errors === 1 ? '1 error' : `${String(errors)} errors`);
  if (ignored > 0) parts.push(`${String(ignored)} unreadable ${ignored === 1 ? 'message' : 'messages'} ignored`);
  return parts.join(', ');
}

function makeEntry(entry: LogEntry): HTMLElement {
  const item = make('li');
  item.dataset['severity'] = entry.severity;
  const time = make('time', '', formatClock(entry.timeMs));
  const body = make('div');
  const line = make('p');
  line.append(make('span', 'kind', kindTexts[entry.kind]));
  if (entry.streamId !== undefined) line.append(' ', make('span', 'log-stream', entry.streamId));
  if (entry.code !== '') line.append(' ', make('code', '', entry.code));
  line.append(' ', entry.text);
  if (entry.count > 1) line.append(' ', make('span', 'times', `×${String(entry.count)}`));
  body.append(line);
  if (entry.remedy !== '') body.append(make('p', 'remedy', entry.remedy));
  item.append(time, body);
  return item;
}
