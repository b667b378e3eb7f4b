/** An expected failure, in the user's terms: `code` for programs, `message` for people, saying what to do next. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
