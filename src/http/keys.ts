/** Keys of a stream: one, several, or a function of the request that names them; null refuses with 403. */
export type Keys<Context> =
  | string
  | readonly string[]
  | ((context: Context) => KeysAnswer | Promise<KeysAnswer>)

export type KeysAnswer = string | readonly string[] | null | undefined
