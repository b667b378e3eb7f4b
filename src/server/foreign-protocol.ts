/** First bytes of protocols whose clients come to the wrong port. */
const firstWords = new Map<string, string>([
  ...['GET ', 'POST', 'PUT ', 'HEAD', 'OPTI', 'DELE', 'PATC', 'CONN'].map(word => [word, 'HTTP'] as const),
  ['PRI ', 'HTTP/2'],
  ['SSH-', 'SSH'],
])

/** What a client speaks that was not a frame's size: a name for the log, or undefined when the bytes say nothing. */
export function foreignProtocol(size: number): string | undefined {
  // A TLS record of a handshake, and its version's first byte.
  if (size >>> 16 === 0x1603) return 'TLS'
  return firstWords.get(String.fromCharCode(size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255))
}
