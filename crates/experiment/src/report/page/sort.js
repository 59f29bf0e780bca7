// Sorts a table by the column whose head is clicked; a second click turns the order round. Without scripts the tables stay as they are.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0]
  const value = (row, column) => row.cells[column].textContent.replace(/[\u202f\s]/g, '').replace('−', '-')
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const sort = () => {
      const isDown = head.getAttribute('aria-sort') === 'ascending'
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', isDown ? 'descending' : 'ascending')
      const compare = (one, other) => {
        const [a, b] = [value(one, column), value(other, column)]
        const [x, y] = [parseFloat(a), parseFloat(b)]
        return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, 'en', { numeric: true }) : x - y
      }
      const rows = [...body.rows].sort(compare)
      body.append(...(isDown ? rows.reverse() : rows))
    }
    head.tabIndex = 0
    head.addEventListener('click', sort)
    head.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') sort()
    })
  }
}
