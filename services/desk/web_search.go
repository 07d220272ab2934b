package desk

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// What a list shows of a ticket is sealed, in Redis too, so nothing can be looked up there but
// by name. A search opens what the list would show, ticket after ticket, as if somebody turned
// its pages: the keyring records each that was opened, and one step opens no more than so many.
const (
	searchMost  = 512 // tickets that one step opens
	searchWords = 200 // characters of what is searched for
	searchLeast = 2
	// searchers are how many searches of all people are under way at once.
	searchers = 4
)

// search reads what somebody looks for and leads to the list that shows it. The words may name
// a customer: they stand in no address, but for sealed, as addresses end in histories and in
// the logs of proxies.
func (web *Web) search(v *visit) error {
	words := strings.TrimSpace(v.PostFormValue("q"))
	if !utf8.ValidString(words) || utf8.RuneCountInString(words) < searchLeast || utf8.RuneCountInString(words) > searchWords {
		return wrong(http.StatusBadRequest, "Search for 2 to 200 characters: words of the subject or of the sender, or a ticket’s name.")
	}
	to, err := web.named(v, words)
	if err != nil {
		return err
	}
	if to == "" {
		sealed, err := sealWords(v, web.sessions.cookie(), words)
		if err != nil {
			return err
		}
		to = "/tickets?" + url.Values{"find": {sealed}, "status": {"all"}}.Encode()
	}
	return redirect(v, to)
}

// named gives the page of what goes by a name: a ticket, whole or short, or an item.
func (web *Web) named(v *visit, name string) (string, error) {
	if len(name) > 0 && name[0] == 't' {
		name = "T" + name[1:]
	}
	switch {
	case event.IsItem(name):
		ticket := event.Ticket(name)
		if _, known, err := web.tickets.Get(v.Context(), ticket); err != nil || known {
			return "/tickets/" + ticket, err
		}
		if v.user.Has(seeAside...) {
			return "/aside/" + name, nil
		}
	case event.IsTicket(name):
		return "/tickets/" + name, nil
	case isShortName(name):
		tickets, err := web.tickets.Named(v.Context(), name)
		if err == nil && len(tickets) == 1 {
			return "/tickets/" + tickets[0], nil
		}
		return "", err
	}
	return "", nil
}

// isShortName says whether a text can be what shortName gives.
func isShortName(text string) bool {
	return len(text) == 1+nameLength && event.IsTicket(text+strings.Repeat("0", 20-nameLength))
}

// searched is what a search found within one step.
type searched struct {
	rows  []Row
	cards map[string]glimpse
	last  *Row // the last that was looked at, where there are more
	count int  // how many were looked at
}

// find opens tickets of a list from a place on and keeps those that have all the words.
func (web *Web) find(v *visit, which listing) (searched, error) {
	select {
	case web.searching <- struct{}{}:
		defer func() { <-web.searching }()
	case <-v.Context().Done():
		return searched{}, v.Context().Err()
	}
	if err := web.voice.Record(v.Context(), &auditv1.Act{Actor: v.user.Name, Action: "search", Outcome: "allowed"}); err != nil {
		return searched{}, err
	}
	words := strings.Fields(strings.ToLower(which.words))
	found := searched{cards: map[string]glimpse{}}
	after := which.after
	for len(found.rows) < pageSize && found.count < searchMost {
		rows, err := web.tickets.List(v.Context(), which.filter(v.user), after, searchStep+1)
		if err != nil {
			return searched{}, err
		}
		more := len(rows) > searchStep
		rows = rows[:min(len(rows), searchStep)]
		cards, err := web.reader.cards(v.Context(), v.user.Name, rows)
		if err != nil {
			return searched{}, err
		}
		for _, row := range rows {
			if has(row, cards[row.Ticket], words) {
				found.rows = append(found.rows, row)
				found.cards[row.Ticket] = cards[row.Ticket]
			}
		}
		found.count += len(rows)
		if !more {
			found.last = nil
			break
		}
		found.last = &rows[len(rows)-1]
		after = Place{found.last.Received, found.last.Ticket}
	}
	return found, nil
}

// searchStep is how many tickets are opened together.
const searchStep = 64

// has says whether what the list shows of a ticket has all the words.
func has(row Row, shown glimpse, words []string) bool {
	card := shown.Card
	text := strings.ToLower(strings.Join([]string{card.GetSubject(), card.GetFromName(), card.GetFromAddress(), card.GetSnippet(), row.Ticket, row.Status, row.Assignee}, "\n"))
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// wordsKey is the key of the words that one session searches for: any desk can make it from
// the cookie, nobody can from what Redis holds of it.
func wordsKey(v *visit, cookie string) (cipher.AEAD, error) {
	token, err := v.Cookie(cookie)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256([]byte("postern search\x00" + token.Value))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func sealWords(v *visit, cookie, words string) (string, error) {
	key, err := wordsKey(v, cookie)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(key.Seal(nil, nil, []byte(words), nil)), nil
}

// errWords answers an address that another session made.
var errWords = wrong(http.StatusGone, "This search ended with the session that made it. Search again.")

func unsealWords(v *visit, cookie, sealed string) (string, error) {
	key, err := wordsKey(v, cookie)
	if err != nil {
		return "", err
	}
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", errWords
	}
	words, err := key.Open(nil, nil, text, nil)
	if err != nil {
		return "", errWords
	}
	return string(words), nil
}
