package attachment

// unlock tries the words of the mail on something that is encrypted, each for a
// cost in rounds of a key derivation. What opened one thing is tried first on the
// next. Who finds nothing is told nothing more: the thing stays encrypted, whether
// the words or the budget came to an end.
func (w *walker) unlock(rounds int64, try func(password string) bool) (string, bool) {
	words := w.words()
	if w.locked >= lockedAtMost {
		words = words[:min(len(words), 1)]
	}
	for i, password := range words {
		if !w.affords(rounds) {
			break
		}
		if !try(password) {
			continue
		}
		words[0], words[i] = words[i], words[0]
		return password, true
	}
	w.locked++
	return "", false
}

// affords pays for one try of a password; false where the budget does not allow it.
func (w *walker) affords(rounds int64) bool {
	if w.budget.tick() != "" || rounds > w.options.Limits.Rounds-w.budget.rounds {
		return false
	}
	w.budget.rounds += rounds
	return true
}

// lockedAtMost is on how many locked things of a mail all words are tried in vain
// before only the one that last opened something is.
const lockedAtMost = 3
