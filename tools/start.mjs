// `npm start`: sets up what is missing and serves on 127.0.0.1:9092 from ./data. Arguments after `--` are passed on
// and win over these.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './native-sources.mjs'
import { setup } from './setup.mjs'
import { say } from './terminal.mjs'

const command = join(root, 'dist/millrace.js')

function serve() {
  const given = process.argv.slice(2)
  // What the user says replaces it: a listener is otherwise one more listener.
  const unless = (option, value) => (given.some(each => each.split('=')[0] === option) ? [] : [option, value])
  const fixed = ['serve', ...unless('--data-dir', './data'), ...unless('--listen', '127.0.0.1:9092')]
  const args = [command, ...fixed, ...given]
  const broker = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    // On a terminal Ctrl-C already reached the broker, as a member of the same process group.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY) || broker.kill(signal))
  }
  broker.on('error', error => {
    say(`millrace: the broker could not be started: ${error.message}`)
    process.exitCode = 1
  })
  broker.on('exit', (code, signal) => {
    if (signal !== null) say(`millrace: the broker was ended by ${signal}.`)
    process.exitCode = code ?? 1
  })
}

if (!(await setup())) process.exitCode = 1
else if (existsSync(command)) serve()
else {
  say('millrace: there is no broker to start: src/app/main.ts does not exist.')
  process.exitCode = 1
}
