// `npm test`: sets up what is missing and runs every check and test that needs nothing but a compiler.
import { setup } from './setup.mjs'
import { conclude, runSuites } from './suites.mjs'

if (await setup()) conclude(await runSuites(['types', 'lint', 'directions', 'world', 'tests', 'native-if-doctest']))
else conclude({ passed: 0, failed: 1, skipped: 0 })
