/** The version of this package; the build writes it here (scripts/embed.js). */
export const VERSION: string = ''
