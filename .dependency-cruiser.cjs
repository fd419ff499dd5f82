// Which folder may import which: capture → condition → features → inference → labels → serve; app wires them.
const stages = {
  common: [],
  protocol: [],
  capture: [],
  condition: ['capture'],
  features: ['condition'],
  inference: ['features'],
  labels: ['inference', 'features', 'protocol'],
  serve: ['protocol'],
  client: ['protocol'],
  training: ['features', 'inference', 'condition', 'capture', 'labels'],
};
const everything = [...Object.keys(stages), 'app'];

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(stages).map(([stage, allowed]) => ({
      name: `${stage}-imports`,
      severity: 'error',
      from: { path: `^src/${stage}/` },
      to: { path: `^src/(${everything.filter((s) => s !== stage && s !== 'common' && !allowed.includes(s)).join('|')})/` },
    })),
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, doNotFollow: { path: 'node_modules' } },
};
