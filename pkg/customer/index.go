package customer

import (
	"slices"
	"sync"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// An Index is a directory by its tokens, in memory. It may be used by many goroutines.
type Index struct {
	mu      sync.RWMutex
	tokens  map[string][]Token // of each customer
	counts  map[Token]int32    // how many customers have one that stands for many
	singles map[Token][]string // who has one that stands for one
}

// Take takes a customer's record in as it stands now. One whose card is gone is forgotten.
func (x *Index) Take(record *itemv1.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.tokens == nil {
		x.tokens, x.counts, x.singles = map[string][]Token{}, map[Token]int32{}, map[Token][]string{}
	}
	x.drop(record.GetItem())
	if !Present(record) {
		return
	}
	var mine []Token
	for _, bytes := range record.GetTokens() {
		if len(bytes) != TokenSize {
			continue
		}
		token := Token(bytes)
		mine = append(mine, token)
		if token.Single() {
			x.singles[token] = append(x.singles[token], record.GetItem())
		} else {
			x.counts[token]++
		}
	}
	x.tokens[record.GetItem()] = mine
}

func (x *Index) drop(id string) {
	for _, token := range x.tokens[id] {
		if !token.Single() {
			if x.counts[token]--; x.counts[token] == 0 {
				delete(x.counts, token)
			}
			continue
		}
		left := slices.DeleteFunc(x.singles[token], func(other string) bool { return other == id })
		if x.singles[token] = left; len(left) == 0 {
			delete(x.singles, token)
		}
	}
	delete(x.tokens, id)
}

// Clear forgets everybody.
func (x *Index) Clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tokens, x.counts, x.singles = nil, nil, nil
}

// Has tells whether a customer has a token.
func (x *Index) Has(token Token) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.counts[token] > 0 || len(x.singles[token]) > 0
}

// Who gives the customers who have a token of an address or a number.
func (x *Index) Who(token Token) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Clone(x.singles[token])
}

// Count is how many customers there are.
func (x *Index) Count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.tokens)
}

// Present tells whether a record is of a customer as they are recorded now.
func Present(record *itemv1.Record) bool { return record.GetSuccessor() == "" && openable(record) }

// Superseded tells whether a card is still there in whose place another stands.
func Superseded(record *itemv1.Record) bool { return record.GetSuccessor() != "" && openable(record) }

func openable(record *itemv1.Record) bool {
	return CardOf(record).GetState() == itemv1.LayerState_LAYER_STATE_PRESENT
}

// CardOf is the layer of a record that a customer's card is in; nil where there is none.
func CardOf(record *itemv1.Record) *itemv1.Layer {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_CARD {
			return layer
		}
	}
	return nil
}
