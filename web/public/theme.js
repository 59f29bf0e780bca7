/* Before the first paint, so that no page flashes white in the dark: the theme that `useTheme` remembers. A file of its
   own, since the Content-Security-Policy allows no script within the page. */
try {
  const theme = localStorage.getItem('manyeyes-theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Without storage nothing was chosen.
}
