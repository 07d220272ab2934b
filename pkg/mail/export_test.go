package mail

// Cost reads a message and gives what it counted for it.
func Cost(raw []byte, lim Limits) (work, memory int) {
	p := &parser{lim: lim.orDefault(), seen: map[Defect]bool{}}
	p.read(raw)
	return p.work, p.memory
}
