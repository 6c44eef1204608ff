import type { Entry } from '../record.js'
import type { Violation } from './violation.js'

/** Two payloads under one id, over all that publishers were told and readers got, and ids that one reader got twice. */
export function checkIds(entries: readonly Entry[]): Violation[] {
  const known = new Map<string, { nonce: string; who: string }>()
  const seen = new Set<string>()
  const violations: Violation[] = []
  for (const entry of entries) {
    if (entry.type !== 'acked' && entry.type !== 'got' && entry.type !== 'job') continue
    const { id, nonce, t } = entry
    const who = entry.type === 'acked' ? entry.by : entry.reader
    const first = known.get(id)
    if (!first) known.set(id, { nonce, who })
    else if (first.nonce !== nonce) {
      violations.push({
        rule: 'id-twice',
        t,
        who,
        what: `${id} is ${first.nonce} for ${first.who}, and ${nonce} for ${who}`,
        id,
      })
    }
    if (entry.type !== 'got') continue
    if (seen.has(`${who} ${id}`)) {
      violations.push({ rule: 'id-again', t, who, what: `got ${id} twice, reset or not`, id })
    }
    seen.add(`${who} ${id}`)
  }
  return violations
}

/** What came though its publisher was told that it is not stored. A later retry of the same event may be acknowledged. */
export function checkRejected(entries: readonly Entry[]): Violation[] {
  const codes = new Map<string, string>()
  for (const entry of entries) {
    if (entry.type === 'rejected' && entry.code !== 'STORE_UNCERTAIN') codes.set(entry.nonce, entry.code)
  }
  // Whatever else was told about the event, one of its calls may have stored it.
  for (const entry of entries) {
    const isOpen = entry.type === 'acked' || (entry.type === 'rejected' && entry.code === 'STORE_UNCERTAIN')
    if (isOpen) codes.delete(entry.nonce)
  }
  const violations: Violation[] = []
  for (const entry of entries) {
    if (entry.type !== 'got' && entry.type !== 'job') continue
    const code = codes.get(entry.nonce)
    if (code === undefined) continue
    const what = `got ${entry.id} (${entry.nonce}), which had been rejected with ${code}`
    violations.push({ rule: 'rejected', t: entry.t, who: entry.reader, what, id: entry.id })
    codes.delete(entry.nonce)
  }
  return violations
}
