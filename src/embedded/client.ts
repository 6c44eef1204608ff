/**
 * The browser client as text, an ES module; the build writes it here (scripts/embed.js). A file beside the code would
 * be left behind by bundlers.
 */
export const CLIENT: string = ''
