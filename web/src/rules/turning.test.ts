import { describe, expect, it } from 'vitest'
import { neighboursOf, turnOf } from './turning'

describe('the neighbours of a picture', () => {
  const order = ['7', '3', '9']

  it('are those beside it in the order of the view', () => {
    expect(neighboursOf(order, '3', 1)).toEqual({ place: 1, previous: '7', next: '9' })
  })

  it('are found when the picture has moved', () => {
    expect(neighboursOf(order, '9', 0)).toEqual({ place: 2, previous: '3', next: null })
  })

  it('are those around its last place once it has left the view', () => {
    expect(neighboursOf(['7', '9'], '3', 1)).toEqual({ place: null, previous: '7', next: '9' })
  })

  it('end where the view ends, however much has left it', () => {
    expect(neighboursOf(['7'], '3', 5)).toEqual({ place: null, previous: '7', next: null })
    expect(neighboursOf([], '3', 0)).toEqual({ place: null, previous: null, next: null })
  })
})

describe('a stroke of a finger', () => {
  it('to the left turns to the next picture, to the right to the previous', () => {
    expect(turnOf(-80, 10)).toBe(1)
    expect(turnOf(80, -10)).toBe(-1)
  })

  it('turns nothing when it trembles or scrolls', () => {
    expect(turnOf(-20, 0)).toBe(0)
    expect(turnOf(-80, 70)).toBe(0)
  })
})
