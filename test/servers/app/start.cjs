// The start file for panels that cannot require() an ES module.
import('./server.mjs').catch((error) => {
  console.error(error)
  process.exit(1)
})
