/** What must never happen, by name. */
export type Rule =
  | 'lost'
  | 'order'
  | 'doubled'
  | 'no-reset'
  | 'late-reset'
  | 'id-twice'
  | 'id-again'
  | 'rejected'
  | 'resets'
  | 'job-lost'
  | 'job-doubled'
  | 'unhealed'

/** One thing that went wrong: when, for whom, and the event that it shows at. */
export interface Violation {
  rule: Rule
  t: number
  who: string
  what: string
  id: string | null
}

/** An id as its epoch and number. */
export function split(id: string): { epoch: string; n: number } {
  const at = id.lastIndexOf('-')
  return { epoch: id.slice(0, at), n: Number(id.slice(at + 1)) }
}
