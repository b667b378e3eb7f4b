import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type InstalledApp, installApp } from './lib/installed.ts'

const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))

describe('the package, installed with --ignore-scripts', { timeout: 900_000 }, () => {
  let app: InstalledApp
  before(() => {
    app = installApp()
  })
  after(() => app?.remove())

  const run = (code: string) => {
    writeFileSync(join(app.directory, 'app.mjs'), code)
    return spawnSync(process.execPath, ['app.mjs'], { cwd: app.directory, encoding: 'utf8', timeout: 60_000 })
  }

  it('runs a broker from its prebuilt binary, with nothing compiled', () => {
    const { stdout, stderr } = run(`
      import { Broker } from 'millrace'
      const broker = await Broker.start({ dataDir: 'data', listen: '127.0.0.1:0' })
      try {
        await broker.append('greetings', { key: 'en', value: 'hello' })
        for await (const record of broker.read('greetings')) console.log(String(record.key), String(record.value))
      } finally {
        await broker.stop()
      }
    `)
    assert.equal(stdout, 'en hello\n', stderr)
    const root = join(app.directory, 'node_modules/millrace')
    assert.ok(!existsSync(join(root, 'build')))
    const { scripts, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    assert.equal(scripts.install, undefined)
    assert.equal(devDependencies, undefined)
  })

  it('has the command', () => {
    const bin = join(app.directory, 'node_modules/.bin/millrace')
    assert.match(execFileSync(bin, ['--help'], { encoding: 'utf8' }), /Usage: millrace/)
  })

  it('says with one command how to build the binary where there is none that fits', () => {
    const prebuilds = join(app.directory, 'node_modules/millrace/prebuilds')
    renameSync(prebuilds, `${prebuilds}-away`)
    try {
      for (const use of [
        "Broker.start({ dataDir: 'data' })",
        "Log.open('log')",
        "Log.open('log', { readOnly: true })",
      ]) {
        const { status, stderr } = run(`
          import { Broker, Log } from 'millrace'
          await ${use}
        `)
        assert.notEqual(status, 0, use)
        assert.match(stderr, /MILLRACE_ADDON_MISSING/, use)
        assert.match(stderr, /run `npm explore millrace -- npm run build-addon`/, use)
      }
    } finally {
      renameSync(`${prebuilds}-away`, prebuilds)
    }
    assert.ok(existsSync(join(app.directory, 'node_modules/millrace/tools/build-addon.mjs')))
  })

  it('has types that hold an app to them', () => {
    const types = fileURLToPath(new URL('../../node_modules/@types', import.meta.url))
    const check = (name: string, code: string) => {
      writeFileSync(join(app.directory, name), code)
      const options =
        '--noEmit --strict --target ES2022 --lib ES2023,ESNext.Disposable --module NodeNext --ignoreConfig'
      const args = [...options.split(' '), '--skipLibCheck', '--typeRoots', types, '--types', 'node', name]
      return spawnSync(tsc, args, { cwd: app.directory, encoding: 'utf8' })
    }
    const right = check(
      'right.ts',
      `import { Broker, Log, type LogCursor, type LogOptions, MillraceError } from 'millrace'
       const options: LogOptions = { retentionBytes: 1e9, compression: 'zstd' }
       await using log = await Log.open('events', options)
       const at: number = log.append({ key: 'k', value: null, headers: { h: new Uint8Array(1) }, timestamp: 1 })
       await log.flushed(log.appendBatch(['a', new Uint8Array(1)]))
       const cursor: LogCursor = log.cursor(at)
       while (cursor.next()) console.log(cursor.value?.length, cursor.bytes[cursor.valuePosition])
       const broker: Broker = await Broker.start({ dataDir: 'data', config: { 'num.partitions': 3 } })
       const offset: number = await broker.append('t', { key: 'k', value: null }, { acks: 'written' })
       for await (const { value } of broker.read('t', { live: true, signal: AbortSignal.timeout(1) })) {
         const bytes: Uint8Array | null = value
         console.log(offset, bytes, MillraceError)
       }
       await using scoped = broker
      `,
    )
    assert.equal(right.status, 0, right.stdout)
    for (const mistake of [
      'Broker.start({ listen: 9092 })',
      "Log.open('l', { retainMs: 1 })",
      "(await Log.open('l')).append(5)",
    ]) {
      const wrong = check('wrong.ts', `import { Broker, Log } from 'millrace'\nawait ${mistake}\n`)
      assert.match(wrong.stdout, /wrong\.ts\(2,/, mistake)
    }
  })
})
