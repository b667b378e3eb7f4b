// `npm run bench -- NAME [ARGS]`: sets up what is missing and runs bench/NAME.ts (or .mjs). Without a name it is a glance at
// this build alone, or everything where it is compared with a peer or a target.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow, root } from './native-sources.mjs'
import { setup } from './setup.mjs'
import { say } from './terminal.mjs'

const given = process.argv.slice(2)
const compares = given.some(argument => /^--(peer|target)\b/.test(argument))
const unnamed = compares ? 'all' : 'quick'
const [name, ...args] = given[0] === undefined || given[0].startsWith('-') ? [unnamed, ...given] : given
const file = ['ts', 'mjs'].map(extension => `bench/${name}.${extension}`).find(path => existsSync(join(root, path)))

if (file === undefined || name.includes('/')) {
  const names = filesBelow('bench', ['.ts', '.mjs'])
    .filter(path => path.split('/').length === 2)
    .map(path => path.replace(/^bench\/(.*)\.\w+$/, '$1'))
  say(`There is no bench '${name}'.\nusage: npm run bench -- [NAME] [ARGS], where NAME is ${names.join(', ')}`)
  process.exitCode = 2
} else if (await setup()) {
  const loader = file.endsWith('.ts') ? ['--import', 'tsx'] : []
  const child = spawn(process.execPath, [...loader, file, ...args], { cwd: root, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', code => {
    process.exitCode = code ?? 1
  })
} else process.exitCode = 1
