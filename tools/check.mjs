// `npm run check`: what to run before each commit, in less than a minute.
import { setup } from './setup.mjs'
import { conclude, runSuites } from './suites.mjs'

if (await setup()) conclude(await runSuites(['types', 'lint', 'directions', 'world', 'unit']))
else conclude({ passed: 0, failed: 1, skipped: 0 })
