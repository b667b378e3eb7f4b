import { parseArgs } from 'node:util'

/** The `millrace` command. Only what the chosen command needs is loaded. */
const usage = `Usage: millrace serve [options]
       millrace log dump|verify|repair DIR [options]

  --data-dir DIR        where the data lives (log.dirs; default ./data)
  --listen HOST:PORT    where clients connect (default 127.0.0.1:9092; port 0: any free one)
  --config FILE         a server.properties file with Kafka's names
  -X NAME=VALUE         one broker config, any number of times; wins over the file
  --json                print the ready line as JSON
  --help, --version

millrace log --help tells of the second.
`

const exit = { done: 0, failed: 1, wrongUsage: 2 } as const

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2)
  if (command === 'serve') return await serve(rest)
  if (command === 'log') {
    const { logCommand } = await import('./log-command.ts')
    process.exitCode = await logCommand(rest)
    return
  }
  if (command === '--version') {
    const { packageVersion } = await import('./version.ts')
    process.stdout.write(`${packageVersion()}\n`)
    return
  }
  if (command === '--help' || command === 'help') {
    process.stdout.write(usage)
    return
  }
  process.stderr.write(command === undefined ? usage : `millrace: unknown command ${command}\n\n${usage}`)
  process.exitCode = exit.wrongUsage
}

async function serve(args: string[]): Promise<void> {
  let options: ReturnType<typeof readOptions>
  try {
    options = readOptions(args)
  } catch (error) {
    process.stderr.write(`millrace: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exitCode = exit.wrongUsage
    return
  }
  if (options.help === true) {
    process.stdout.write(usage)
    return
  }
  const { runServer } = await import('./serve.ts')
  process.exitCode = (await runServer(options)) ? exit.done : exit.failed
}

function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      'data-dir': { type: 'string' },
      listen: { type: 'string', multiple: true },
      config: { type: 'string' },
      X: { type: 'string', short: 'X', multiple: true },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  return values
}

await main()
