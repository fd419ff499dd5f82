/** The report as one HTML file that needs nothing else: styles, charts, pictures and sounds are inside. */
import { figure } from '../format.js';
import type { Interval } from '../bootstrap.js';
import { calibrationChart, coverageChart, epochCurves, finderChart, learningCurve, rocChart } from './charts.js';
import type { ClipMedia } from './clip-media.js';
import type { Again } from './again.js';
import type { ClipLoss, ReportData, ReportPart } from './report-data.js';
import { VEIL_COLOUR } from './png.js';
import { escapeText } from './svg.js';
import { classTable, confusedTable, confusionTable, epochTable, figuresTable, sampleTable, subjectTable, table } from './tables.js';

/**
 * @param media by file, for the clips that could be read.
 * @param mapCell what one cell of a class-activation map covers.
 */
export function reportHtml(data: ReportData, media: ReadonlyMap<string, ClipMedia>, mapCell: string): string {
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">`,
    `<title>${escapeText(data.title)}</title><style>${STYLE}</style></head><body><main>`,
    `<h1>${escapeText(data.title)}</h1><p class="disclaimer">${escapeText(data.disclaimer)}</p><p class="lead">${escapeText(data.lead)}</p>`,
    `<nav>${contents(data)}</nav>`,
    ...data.parts.map((part) => partSection(part, media, mapCell)),
    learningSection(data),
    againSection(data.again, data.notes),
    '</main></body></html>\n',
  ].join('\n');
}

function contents(data: ReportData): string {
  const links = [...data.parts.map((part) => [part.name, part.title]), ['learning', 'Learning'], ['again', 'To repeat this run']];
  return links.map(([id = '', title = '']) => `<a href="#${escapeText(id)}">${escapeText(title)}</a>`).join('');
}

function partSection(part: ReportPart, media: ReadonlyMap<string, ClipMedia>, mapCell: string): string {
  const shown = part.topLosses.filter((clip) => media.has(clip.file));
  const right = part.rightCalls.filter((clip) => media.has(clip.file));
  const mapped = [...shown, ...right].some((clip) => (media.get(clip.file)?.maps.length ?? 0) > 0);
  const cards = (clips: readonly ClipLoss[], kind: string) => clips.map((clip, i) => clipCard(clip, media.get(clip.file) as ClipMedia, `${part.name}-${kind}-${i}`)).join('');
  return [
    `<section id="${escapeText(part.name)}"><h2>${escapeText(part.title)}</h2><p>${escapeText(part.note)}</p>`,
    headline(part),
    figuresTable(part),
    '<p class="fine">In brackets: 95 % bootstrap intervals by subject. Floors are what trivial models reach by the same or like folds; a result near its floor says little. Sites with fewer than 10 clips are not shown by themselves.</p>',
    `<div class="pair"><div><h3>Confusion: counts and rates</h3>${confusionTable(part)}</div><div><h3>Most confused</h3>${confusedTable(part.confused)}</div></div>`,
    `<h3>Classes</h3>${classTable(part)}`,
    `<div class="charts">${rocChart(part)}${calibrationChart(part)}${coverageChart(part)}</div>`,
    shown.length > 0 ? `<h3>Largest losses</h3>${mapped ? mapLegend(mapCell) : ''}<div class="clips">${cards(shown, 'loss')}</div>` : `<h3>Largest losses</h3>${sampleTable(part.topLosses)}`,
    right.length > 0 ? `<h3>Rightly called, ${right.length > 2 ? 'some of each class' : 'some'}</h3><div class="clips">${cards(right, 'right')}</div>` : '',
    `<details><summary>Some predictions</summary>${sampleTable(part.samples)}</details>`,
    part.subjects.length > 0 ? `<details><summary>By subject (${part.subjects.length}; largest mean loss first)</summary>${subjectTable(part.subjects)}</details>` : '',
    '</section>',
  ].join('\n');
}

function headline({ summary, floors, vocabulary }: ReportPart): string {
  const card = (name: string, value: Interval | null, floor: Interval | null | undefined) =>
    value === null || !Number.isFinite(value.value ?? NaN)
      ? ''
      : `<div><b>${figure(value.value)}</b><span>${name}</span><small>${figure(value.low)} – ${figure(value.high)}${floor ? `; mean spectrum alone: ${figure(floor.value)}` : ''}</small></div>`;
  const floor = floors?.meanSpectrum;
  return `<div class="cards">${[
    card('accuracy', summary.accuracy, floor?.accuracy),
    card('macro-F1', summary.macroF1, floor?.macroF1),
    card(`AUROC, ${vocabulary.contrast}`, summary.auroc, floor?.auroc),
    card('(sensitivity + specificity) / 2', summary.macc, null),
  ].join('')}</div>`;
}

/** What the colour over a spectrogram is, and what it can and cannot show. */
function mapLegend(cell: string): string {
  return (
    '<p class="maps"><span class="ramp"></span> nothing … strongest place of the clip: class-activation maps (Grad-CAM), where the network found what speaks for the class chosen above a picture. ' +
    'Each is Σ<sub>k</sub> w<sub>ck</sub>A<sub>k</sub> of the last feature map, its positive part, by the weights that judged the clip. ' +
    `They can show a model that looks at silence, a click or the wrong band. They cannot show why it decided, nor where a murmur is: one cell of the map covers ${escapeText(cell)} and draws on far more than itself, and the map of a wrong answer looks as convincing as that of a right one.</p>`
  );
}

/** The spectrogram under the maps, of which at most one shows: chosen by radio buttons, without script. */
function picture(clip: ClipLoss, { spectrogram, maps }: ClipMedia, id: string): string {
  const plain = `<img src="${spectrogram}" alt="Mel spectrogram of ${escapeText(clip.file)}">`;
  if (maps.length === 0) return plain;
  const says = (name: string) => [name === clip.called && 'called', name === clip.actual && 'is'].filter(Boolean).join(' and ');
  const choices = [...maps.map(({ name }) => `${says(name)} ${name}`), 'plain'];
  const inputs = choices.map((_, i) => `<input type="radio" name="${id}" id="${id}-${i}"${i === 0 ? ' checked' : ''}>`);
  const labels = choices.map((text, i) => `<label for="${id}-${i}">${escapeText(text)}</label>`);
  const veils = maps.map(({ name, image }) => `<img class="veil" src="${image}" alt="What speaks for ${escapeText(name)}">`);
  return `<div class="cam c${maps.length}">${inputs.join('')}<div class="choice">${labels.join('')}</div><div class="stack">${plain}${veils.join('')}</div></div>`;
}

function clipCard(clip: ClipLoss, media: ClipMedia, id: string): string {
  const where = [clip.subject && `subject ${clip.subject}`, clip.site && `site ${clip.site}`, `${media.cut ? 'first ' : ''}${media.seconds.toFixed(1)} s`].filter(Boolean).join(', ');
  return (
    `<article>${picture(clip, media, id)}<audio controls preload="none" src="${media.audio}"></audio>` +
    `<p>is <b>${escapeText(clip.actual)}</b>, called <b class="${clip.actual === clip.called ? 'right' : 'wrong'}">${escapeText(clip.called)}</b> at ${figure(clip.confidence)}, loss ${figure(clip.loss)}</p>` +
    `<p class="fine">${escapeText(clip.file)}<br>${escapeText(where)}</p></article>`
  );
}

function learningSection(data: ReportData): string {
  return [
    '<section id="learning"><h2>Learning</h2>',
    data.epochs.length > 0 ? epochTable(data.epochs) : '',
    '<div class="charts">',
    data.finder ? finderChart(data.finder) : '',
    data.epochs.length > 0 ? epochCurves(data.epochs) : '',
    ...data.curves.map(({ title, series }) => learningCurve(title, series)),
    '</div>',
    data.finder ? `<p>The finder suggested ${data.finder.suggestion.toExponential(2)}; used: ${data.finder.used.toExponential(2)}.</p>` : '',
    '</section>',
  ].join('\n');
}

function againSection(again: Again, notes: readonly string[]): string {
  const { environment: e } = again;
  const rows: [string, string][] = [
    ['command', again.command],
    ['seed', String(again.seed)],
    ['data', again.data],
    ['run folder', again.runFolder],
    ['model package', again.modelFolder ?? 'none'],
    ['time in training steps', `${(again.secondsTrained / 60).toFixed(1)} minutes`],
    ['started', e.startedAt],
    ['StethoStream', `${e.stethostream}, commit ${e.gitCommit ?? 'unknown'}${e.recordedAfterwards ? ' (noted when this report was written, not when the run started)' : ''}`],
    ['Node, TensorFlow', `${e.node}, tfjs-node ${e.tensorflow ?? 'not set up'}${e.engine === undefined ? '' : `, ${e.engine}`}`],
    ['machine', `${e.processor}, ${e.cores} cores, ${e.memoryGiB} GiB, ${e.system}`],
  ];
  const raw = (title: string, value: unknown) => `<details><summary>${title}</summary><pre>${escapeText(JSON.stringify(value, null, 2))}</pre></details>`;
  return [
    '<section id="again"><h2>To repeat this run</h2>',
    table(['', ''], rows, 'facts'),
    notes.length > 0 ? `<ul>${notes.map((note) => `<li>${escapeText(note)}</li>`).join('')}</ul>` : '',
    raw('Recipe', again.recipe),
    raw('Features', again.features),
    raw('Network', again.network),
    '</section>',
  ].join('\n');
}

const veilCss = `#${VEIL_COLOUR.toString(16).padStart(6, '0')}9e`;

export const STYLE = `
:root{--ink:#1d2733;--soft:#5b6773;--line:#dde2e8;--panel:#f6f8fa;--accent:#0072b2;--bad:#b34700}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 8px}
h2{font-size:21px;margin:44px 0 6px;padding-top:14px;border-top:2px solid var(--ink)}
h3{font-size:16px;margin:26px 0 8px}
.lead{max-width:75ch;margin:10px 0}
.disclaimer{display:inline-block;margin:4px 0;padding:4px 10px;border:1px solid var(--bad);border-radius:4px;color:var(--bad);font-weight:600}
nav{display:flex;flex-wrap:wrap;gap:6px 18px;margin:14px 0}
a{color:var(--accent)}
.fine{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.cards div{flex:1 1 200px;background:var(--panel);border-radius:6px;padding:12px 14px}
.cards b{display:block;font-size:28px;line-height:1.1}
.cards span{display:block;margin:4px 0 2px}
.cards small{color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;font-weight:400}
.figures td,.figures th.n{text-align:right;padding-left:12px;padding-right:0;white-space:nowrap}
.figures th.n{white-space:normal}
.figures,.facts{width:100%}
thead th{color:var(--soft);font-size:13px;vertical-align:bottom}
.whole tbody tr:first-child th,.whole tbody tr:first-child td{font-weight:600}
.facts thead{display:none}
.facts th{white-space:nowrap;color:var(--soft)}
.facts td{overflow-wrap:anywhere}
.confusion th{vertical-align:middle}
.confusion td{padding:2px}
.confusion th.n{text-align:center;padding:5px 8px}
.count{display:block;min-width:92px;padding:8px 10px;text-align:center;border-radius:4px}
.count small{display:block;color:inherit;opacity:.8}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:0 40px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr));gap:24px 28px;margin:18px 0}
figure.chart{margin:0}
figcaption{font-weight:600;font-size:14px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:13px;color:var(--soft)}
.legend span{display:inline-flex;align-items:center;gap:5px}
.chart svg{width:100%;height:auto;display:block}
.legend svg{width:auto;flex:none}
svg text{font-size:12px;fill:var(--soft)}
svg text.axis{fill:var(--ink)}
svg .grid{stroke:var(--line)}
svg .mark{stroke:var(--bad);stroke-dasharray:3 3}
svg path{fill:none;stroke-width:2}
svg circle{fill-opacity:.85}
.clips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,270px),1fr));gap:18px}
.clips article{background:var(--panel);border-radius:6px;padding:10px}
.clips img{width:100%;height:120px;image-rendering:pixelated;border-radius:3px;display:block}
.maps{font-size:13px;color:var(--soft);max-width:110ch}
.ramp{display:inline-block;width:90px;height:10px;border-radius:2px;vertical-align:-1px;background:linear-gradient(90deg,${veilCss.slice(0, 7)}00,${veilCss}),linear-gradient(#666,#666)}
.cam input{position:absolute;opacity:0;pointer-events:none}
.choice{display:flex;flex-wrap:wrap;gap:2px 4px;margin-bottom:6px}
.choice label{padding:1px 7px;border-radius:3px;font-size:12.5px;color:var(--soft);cursor:pointer}
.cam input:nth-of-type(1):checked~.choice label:nth-of-type(1),.cam input:nth-of-type(2):checked~.choice label:nth-of-type(2),.cam input:nth-of-type(3):checked~.choice label:nth-of-type(3){background:var(--ink);color:#fff}
.cam input:focus-visible~.choice{outline:2px solid var(--accent);outline-offset:2px}
.stack{position:relative}
.cam input:not(:last-of-type):checked~.stack img:first-child{filter:grayscale(1)}
.stack .veil{position:absolute;inset:0;image-rendering:auto;display:none}
.cam input:nth-of-type(1):checked~.stack .veil:nth-of-type(2),.c2 input:nth-of-type(2):checked~.stack .veil:nth-of-type(3){display:block}
.clips audio{width:100%;height:34px;margin:8px 0 2px}
.clips p{margin:4px 0;font-size:14px}
.clips .fine{font-size:12px}
.right{color:var(--accent)}
.wrong{color:var(--bad);font-weight:600}
details{margin:12px 0}
summary{cursor:pointer;font-weight:600}
pre{background:var(--panel);padding:12px;overflow-x:auto;font-size:12.5px}
@media print{.clips audio,nav{display:none}section{break-before:page}}
`;
