/** The files of the inspector's page, by name; the build writes them here (scripts/embed.js). */
export const PAGE: Readonly<Record<'page.html' | 'page.css' | 'page.js', string>> = {
  'page.html': '',
  'page.css': '',
  'page.js': '',
}
