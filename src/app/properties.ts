/** A `.properties` file as Kafka reads it: `name=value` lines, `#` and `!` comments, `\` at a line's end continues it. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  const joined = text.replace(/\\\r?\n[ \t]*/g, '')
  for (const raw of joined.split(/\r?\n/)) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue
    const at = line.search(/[=:]/)
    if (at < 0) properties.set(line, '')
    else properties.set(line.slice(0, at).trim(), line.slice(at + 1).trim())
  }
  return properties
}
