// Browsers allow six connections to a site that is not on HTTP/2, and each stream takes one: one list, one order.
const order = document.querySelector('[data-live-order]')
if (order) {
  const stream = new EventSource(order.dataset.liveOrder)
  stream.addEventListener('status', ({ data }) => {
    order.querySelector('strong').textContent = JSON.parse(data).label
  })
  // What happened meanwhile is not kept any more; the page itself knows.
  stream.addEventListener('reset', () => location.reload())
}

const list = document.querySelector('[data-live-posts]')
if (list) {
  const stream = new EventSource(list.dataset.livePosts)
  stream.addEventListener('post', ({ data }) => showPost(JSON.parse(data)))
}

/** A post that was saved again replaces its line. */
function showPost({ id, title, link }) {
  const item = document.createElement('li')
  item.id = `live-post-${id}`
  const anchor = document.createElement('a')
  anchor.href = link
  anchor.textContent = title
  item.append(anchor)
  document.getElementById(item.id)?.remove()
  list.prepend(item)
}
