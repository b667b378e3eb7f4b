// Writes docs/compatibility.md from what the suites saw of each client (lib/report.ts). Nothing in it depends on the
// machine or the hour, so that a run which saw the same writes the same.

const adminColumns = [
  'createTopic',
  'createTopic.assignments',
  'listTopics',
  'describeTopic',
  'describeCluster',
  'describeConfigs',
  'incrementalAlterConfigs',
  'alterConfigs',
  'createPartitions',
  'deleteRecords',
  'listOffsets',
  'describeFeatures',
  'listConfigResources',
  'deleteTopic',
]

/** The outcomes of one client whose subject begins with `word`, without it. */
const subjects = ({ outcomes }, word) =>
  Object.entries(outcomes)
    .filter(([subject]) => subject.startsWith(`${word} `))
    .map(([subject, outcome]) => ({ subject: subject.slice(word.length + 1), passed: outcome === 'passed' }))

const failuresOf = tried => tried.filter(({ passed }) => !passed).map(({ subject }) => subject)

const mark = tried => (tried.length === 0 ? '–' : tried.every(({ passed }) => passed) ? 'yes' : '**no**')

/** Columns as wide as their widest cell: the page is also read as text. */
function table(head, rows) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map(row => [...row[column]].length)))
  const line = row =>
    `| ${row.map((cell, column) => cell + ' '.repeat(widths[column] - [...cell].length)).join(' | ')} |`
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const titleOf = client => `${client.name} ${client.version}`

function clientRow(client, count) {
  const written = subjects(client, 'write')
  const read = subjects(client, 'read')
  const administered = subjects(client, 'admin')
  const failed = [written, read, administered].flatMap(failuresOf)
  const calls = new Set(administered.map(({ subject }) => subject.split(' ')[0].split('.')[0])).size
  const reads = read.length > 0 ? `what all ${count} wrote` : 'in a group only'
  const result = failed.length === 0 ? 'all as it should be' : `**fails: ${failed.join(', ')}**`
  return [
    client.name,
    client.version,
    written.map(({ subject }) => subject).join(', '),
    reads,
    `${calls} calls`,
    result,
  ]
}

function adminRow(client) {
  const administered = subjects(client, 'admin')
  const of = column =>
    administered.filter(({ subject }) => {
      const call = subject.split(' ')[0]
      return call === column || (column === 'listOffsets' && call.startsWith('listOffsets.'))
    })
  return [titleOf(client), ...adminColumns.map(column => mark(of(column)))]
}

function offsetsRow(client, kinds) {
  const administered = subjects(client, 'admin')
  const of = kind => administered.filter(({ subject }) => subject.split(' ')[0] === `listOffsets${kind}`)
  return [titleOf(client), ...kinds.map(kind => mark(of(kind)))]
}

function groupRow(client) {
  const tried = subjects(client, 'group').map(({ subject, passed }) => {
    const [protocol, ...way] = subject.split(' ')
    return { protocol, passed, subject: way.join(' ') }
  })
  const of = protocol => {
    const ways = tried.filter(way => way.protocol === protocol)
    return ways.length === 0 ? '–' : ways.map(({ subject }) => subject).join(', ')
  }
  const failed = failuresOf(
    tried.map(({ protocol, passed, subject }) => ({ passed, subject: `${protocol} ${subject}` })),
  )
  const result = failed.length === 0 ? 'all as it should be' : `**fails: ${failed.join(', ')}**`
  return [titleOf(client), of('classic'), of('consumer'), result]
}

/** One object per client, from the files of all suites. */
export function mergeReports(reports) {
  const clients = new Map()
  for (const client of reports.flat()) {
    const known = clients.get(client.id)
    clients.set(client.id, { ...client, outcomes: { ...known?.outcomes, ...client.outcomes } })
  }
  return [...clients.values()]
}

const transactionColumns = {
  'all or nothing': 'all-or-nothing',
  fencing: 'fencing',
  timeout: 'timeout',
  'offsets in them': 'offsets',
  reads: 'reads',
  'killed loops': 'loop',
}

function transactionRows(client) {
  const tried = subjects(client, 'transaction')
  const versions = [...new Set(tried.map(({ subject }) => subject.split(' ')[0]))]
  return versions.map(version => [
    titleOf(client),
    version,
    ...Object.values(transactionColumns).map(what =>
      mark(tried.filter(({ subject }) => subject === `${version} ${what}`)),
    ),
  ])
}

/** Its suite runs apart from those behind the rest of the page. */
export function transactionsSection(clients) {
  return `## Transactions

v2 is that of KIP-890, in which a Produce adds its partitions and each transaction has an epoch of its own; v1 is the way
before it. Each client commits and aborts over three partitions; a second producer of its id ends the first; what it leaves
open is aborted in time; offsets become the group's with the commit. Each reads what all of them sent side by side: what is
committed, in order, and with \`read_uncommitted\` all of it. Loops that consume, process and produce are killed in the middle of
their work, and so is the broker: each effect is there once. A dash: not tried, or the client has no such call.

${table(['client', 'version', ...Object.keys(transactionColumns)], clients.flatMap(transactionRows))}

kcat reads both ways, too. Kafka Streams counts words with \`exactly_once_v2\`: every count is seen once, in turn, though each of
its two processes is killed, and the broker.

`
}

/** That section, as `page` has it. */
export const sectionIn = page => /^## Transactions\n[\s\S]*?(?=^## )/m.exec(page)?.[0] ?? ''

export function compatibilityPage(clients, transactions) {
  const kinds = [
    '',
    '.earliest',
    '.latest',
    '.maxTimestamp',
    '.earliestLocal',
    '.latestTiered',
    '.earliestPendingUpload',
  ]
  const inGroups = clients.filter(client => subjects(client, 'group').length > 0)
  const notInGroups = clients.filter(client => subjects(client, 'group').length === 0).map(titleOf)
  return `# Compatibility

Clients that others wrote, and what they did with a broker of this commit. \`node test/compat/run.mjs --write-docs\` writes
this page from what it saw; \`.ci/run\` fails where the page says something else. So it is not edited by hand.

## Clients

Each one writes ${subjects(clients[0], 'write').length} partitions: with every codec, with acks 0, 1 and all, as an idempotent producer, and a record of 1 MB;
keys, values and headers that are present, empty and null as far as it can say so, each record with a time of its own.
Each then reads what every client wrote, by assignment, and answers with the same bytes, headers, times and offsets.

${table(
  ['client', 'version', 'writes', 'reads', 'administers', 'result'],
  clients.map(client => clientRow(client, clients.length)),
)}

## Administration

Each call that a client has, with its refusals, looked at through the newest Java client. A dash: the client has no such
call.

${table(['client', ...adminColumns], clients.map(adminRow))}

The kinds of offsets that they ask for; the first is by time.

${table(
  ['client', 'by time', ...kinds.slice(1).map(kind => kind.slice(1))],
  clients.map(client => offsetsRow(client, kinds)),
)}

## Groups

Three members in processes of their own share a topic, in each way that is named here; one is killed and one is added,
the broker is killed and started again, members leave. Each commits what it processed. No partition has two owners; each
record is processed, in order; what was committed is not processed again. A static member comes back within its session
without a rebalance; a regular expression finds a topic that is made later. \`consumer\` is the protocol of KIP-848.

${table(['client', 'classic', 'consumer', 'result'], inGroups.map(groupRow))}

Java's clients also move a live group from one protocol to the other and back, member by member.

${transactions}## Not tried yet

- Groups of ${notInGroups.join('; ')}. @platformatic/kafka is read by its \`Consumer.fetch\`, which needs no group.

Beside this table, suites of their own look further into kcat (100 MB of text there and back), kafkajs, the Java clients,
confluent-kafka (a restart in mid-produce), Kafka's command line tools, franz-go's own tests and Kafka's
\`DumpLogSegments\` over our files: \`test/compat/README.md\`.
`
}
