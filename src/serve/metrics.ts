/** What the server counts, and its Prometheus text form (version 0.0.4). */
import type { StationMessage } from '../protocol/messages.js';

/** Upper bounds of the latency histogram in seconds. */
const LATENCY_BUCKETS_S = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export class ServeMetrics {
  readonly connections = new Gauge('stethostream_connections', 'Subscribers connected now.');
  readonly connectionsTotal = new Counter('stethostream_connections_total', 'Subscribers accepted since start.', []);
  readonly refused = new Counter('stethostream_connections_refused_total', 'Connections refused, by code.', ['code']);
  readonly closed = new Counter('stethostream_connections_cut_total', 'Connections ended by the server, by reason.', ['reason']);
  readonly sent = new Counter('stethostream_messages_sent_total', 'Messages taken by sockets, all subscribers together.', ['kind']);
  readonly dropped = new Counter('stethostream_messages_dropped_total', 'Messages not sent to slow subscribers.', ['kind']);
  readonly badMessages = new Counter('stethostream_bad_messages_total', 'Messages of subscribers that broke the protocol.', []);
  readonly invalid = new Counter('stethostream_invalid_messages_total', 'Messages of the station that broke the protocol and were withheld.', ['kind']);
  readonly predictions = new Counter('stethostream_predictions_total', 'Predictions published, by stream and label.', ['stream', 'label']);
  readonly windowsDropped = new Counter('stethostream_windows_dropped_total', 'Windows never inferred, by stream.', ['stream']);
  readonly latency = new Histogram('stethostream_prediction_latency_seconds', 'Capture of the last sample to publication.', LATENCY_BUCKETS_S);
  readonly requests = new Counter('stethostream_http_requests_total', 'HTTP requests answered, by status.', ['status']);

  /** Counts what the station published, once, however many receive it. */
  observe(message: StationMessage): void {
    if (message.type === 'prediction') {
      this.predictions.add(1, message.streamId, message.label);
      this.latency.observe(message.latencyMs / 1000);
    } else if (message.type === 'drop' && message.kind === 'window') {
      this.windowsDropped.add(message.count, message.streamId ?? '');
    }
  }

  /** All metrics in Prometheus text form. */
  text(): string {
    return Object.values(this).map((metric: Metric) => metric.text()).join('');
  }
}

interface Metric {
  text(): string;
}

export class Counter implements Metric {
  private readonly values = new Map<string, number>();

  /** @param labels names of the label values that `add` takes, in order. */
  constructor(private readonly name: string, private readonly help: string, private readonly labels: readonly string[]) {
    if (labels.length === 0) this.values.set('', 0);
  }

  add(amount: number, ...labelValues: string[]): void {
    const key = labelText(this.labels, labelValues);
    this.values.set(key, (this.values.get(key) ?? 0) + amount);
  }

  /** Sum over all label values. */
  get total(): number {
    return [...this.values.values()].reduce((sum, value) => sum + value, 0);
  }

  text(): string {
    return head(this.name, this.help, 'counter') + [...this.values].map(([labels, value]) => `${this.name}${labels} ${value}\n`).join('');
  }
}

export class Gauge implements Metric {
  value = 0;

  constructor(private readonly name: string, private readonly help: string) {}

  text(): string {
    return `${head(this.name, this.help, 'gauge')}${this.name} ${this.value}\n`;
  }
}

export class Histogram implements Metric {
  private readonly counts: number[];
  private sum = 0;
  private count = 0;

  /** @param bounds ascending upper bounds; +Inf is added. */
  constructor(private readonly name: string, private readonly help: string, private readonly bounds: readonly number[]) {
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    // Cumulative, as Prometheus wants it.
    this.bounds.forEach((bound, i) => {
      if (value <= bound) this.counts[i]! += 1;
    });
    this.sum += value;
    this.count += 1;
  }

  text(): string {
    const buckets = this.bounds.map((bound, i) => `${this.name}_bucket{le="${bound}"} ${this.counts[i]}\n`).join('');
    return `${head(this.name, this.help, 'histogram')}${buckets}${this.name}_bucket{le="+Inf"} ${this.count}\n${this.name}_sum ${this.sum}\n${this.name}_count ${this.count}\n`;
  }
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, i) => `${name}="${escaped(values[i] ?? '')}"`).join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
