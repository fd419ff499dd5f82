/** The data check for people. */
import type { DataCheck, DatasetCounts, Finding } from './check-data.js';

/** Groups shown per finding; the JSON has all. */
const SHOWN = 6;

export function formatDataCheck(check: DataCheck): string {
  const head = `${check.folder}: ${check.kind === 'manifest' ? 'manifest.csv' : `in the form "${check.kind}"`}`;
  const sets = Object.entries(check.datasets).map(([name, counts]) => datasetText(name, counts));
  const findings = check.findings.length === 0 ? ['Nothing odd was found.'] : check.findings.map(findingText);
  return [head, ...sets, ...findings].join('\n\n');
}

function datasetText(name: string, c: DatasetCounts): string {
  const { least, median, most, total } = c.seconds;
  const sites = Object.entries(c.sites);
  return [
    `${name}: ${c.recordings} recordings (${c.labelled} labelled), ${c.subjects || 'no'} known subjects, ${(total / 60).toFixed(0)} minutes`,
    `  labels: ${pairs(c.labels)}`,
    ...(sites.length > 1 && sites.length <= 12 ? sites.map(([site, labels]) => `  site ${site}: ${pairs(labels)}`) : sites.length > 12 ? [`  ${sites.length} sites`] : []),
    `  rates: ${pairs(c.sampleRatesHz, ' Hz')}; lengths: ${least.toFixed(1)} – ${most.toFixed(1)} s, half under ${median.toFixed(1)} s`,
  ].join('\n');
}

const pairs = (counts: Readonly<Record<string, number>>, unit = '') => Object.entries(counts).map(([name, count]) => `${name}${unit} ${count}`).join(', ') || 'none';

function findingText({ severity, code, message, remedy, files }: Finding): string {
  const shown = files.slice(0, SHOWN).map((group) => `    ${group.slice(0, SHOWN).join(' = ')}${group.length > SHOWN ? ` = … (${group.length} files)` : ''}`);
  const more = files.length > SHOWN ? [`    … ${files.length - SHOWN} more, see --json`] : [];
  return [`${severity.toUpperCase()} ${code}: ${message}`, ...shown, ...more, `  → ${remedy}`].join('\n');
}
