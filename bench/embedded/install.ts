import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensure, installed, installLimitMs } from '../../test/compat/lib/install.ts'
import { run } from '../../test/compat/lib/process.ts'

const peer = (name: string): string => fileURLToPath(new URL(`peers/${name}`, import.meta.url))

/** The folder with npm's peers. */
export const installNodePeers = (): Promise<string> =>
  installed('log-peers-node', peer('package.json'), async building => {
    await copyFile(peer('package.json'), join(building, 'package.json'))
    // One of them builds itself where no binary of it can be had.
    const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    await run('npm', args, { timeoutMs: installLimitMs, cwd: building })
  })

// What Chronicle's own documentation asks for on Java 11 and later.
const opened = [
  ...['java.base/jdk.internal.ref', 'java.base/sun.nio.ch', 'jdk.unsupported/sun.misc'].map(
    each => `--add-exports=${each}`,
  ),
  ...['java.lang', 'java.lang.reflect', 'java.io', 'java.util', 'java.nio', 'sun.nio.ch'].map(
    each => `--add-opens=java.base/${each}`,
  ),
].map(option => `${option}=ALL-UNNAMED`)

/** The arguments of `java` that run the tasks on Chronicle Queue. */
export const installChronicle = async (): Promise<string[]> => {
  const dir = await installed('log-peers-chronicle', [peer('pom.xml'), peer('Chronicle.java')], async building => {
    await ensure('default-jdk-headless', 'javac', '-version')
    await ensure('maven', 'mvn', '-v')
    await copyFile(peer('pom.xml'), join(building, 'pom.xml'))
    const copy = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${join(building, 'lib')}`]
    await run('mvn', copy, { timeoutMs: installLimitMs, cwd: building })
    const compile = [
      '-nowarn',
      '-cp',
      join(building, 'lib', '*'),
      '-d',
      join(building, 'classes'),
      peer('Chronicle.java'),
    ]
    await run('javac', compile, { timeoutMs: installLimitMs })
  })
  const quiet = [
    '-Dchronicle.announcer.disable=true',
    '-Dchronicle.analytics.disable=true',
    '-Ddisable.announcement=true',
  ]
  return ['-Xmx1g', ...opened, ...quiet, '-cp', `${join(dir, 'classes')}:${join(dir, 'lib', '*')}`, 'Chronicle']
}
