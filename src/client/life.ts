/** What happens to a page, and may cost it its connection or give it back. */
const EVENTS = ['online', 'visibilitychange', 'pageshow', 'pagehide', 'resume', 'freeze']

/**
 * Calls `live` with each of these, before the page's own handlers; the returned function ends that. `isAway` is true from
 * when the page is put away or frozen until it is back: it must then keep nothing open, or browsers would not keep the page.
 */
export function onLife(live: (isAway: boolean) => void): () => void {
  let isAway = false
  const tell = ({ type }: Event) => {
    // A page that is put away is told behind that that it is hidden.
    if (type === 'pagehide' || type === 'freeze') isAway = true
    if (type === 'pageshow' || type === 'resume') isAway = false
    live(isAway)
  }
  for (const type of EVENTS) addEventListener(type, tell, true)
  return () => {
    for (const type of EVENTS) removeEventListener(type, tell, true)
  }
}
