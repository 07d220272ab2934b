package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

const (
	asideShown = 200
	// retriedAtOnce is how many mails of a cause one press takes up again.
	retriedAtOnce = 500
	codeOversize  = "oversize"
	// fetchMost is what ingest can be told to fetch, in MiB: more is read nowhere.
	fetchMost int64 = 64
)

// Who sees what is set aside, and who does what with it.
var (
	seeAside = []Role{Lead, Privacy, Auditor, Admin}
	mayRetry = []Role{Lead, Admin}
	// mayAskAside are those who have its original with a second person's approval.
	mayAskAside = []Role{Lead}
	// mayDelete are those who have it destroyed.
	mayDelete = []Role{Lead, Privacy}
)

// Asides is what the desk shows of mails that are set aside, and has taken up again.
type Asides interface {
	// Aside gives all of them, the newest first.
	Aside(ctx context.Context) ([]Aside, error)
	// Waiting tells how many there were a moment ago, at no cost.
	Waiting() int
	// Retry takes one up again, on somebody's wish: limit is up to how many bytes are fetched
	// where only its headers are kept, 0 for what is configured. It tells whether it was set
	// aside still.
	Retry(ctx context.Context, item, actor string, limit int64) (bool, error)
}

// A causeLine is all that is set aside for one reason.
type causeLine struct {
	Code   string
	Count  int
	Oldest time.Time
}

// Apart says whether its mails are tried again one by one only: with the limit that set
// them aside they would lie there again.
func (c causeLine) Apart() bool { return c.Code == codeOversize }

// causes groups, the largest first.
func causes(all []Aside) []causeLine {
	by := map[string]*causeLine{}
	var lines []*causeLine
	for _, one := range all { // newest first
		if one.Leaving {
			continue
		}
		if by[one.Code] == nil {
			by[one.Code] = &causeLine{Code: one.Code}
			lines = append(lines, by[one.Code])
		}
		by[one.Code].Count++
		by[one.Code].Oldest = one.Since
	}
	slices.SortFunc(lines, func(a, b *causeLine) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Code, b.Code)) })
	found := make([]causeLine, len(lines))
	for i, line := range lines {
		found[i] = *line
	}
	return found
}

// asidePage shows the mails that did not become tickets: none of their words, only what
// stopped them and where.
func (web *Web) asidePage(v *visit) error {
	all, err := web.asides.Aside(v.Context())
	if err != nil {
		return err
	}
	deletions, err := web.retention.Deletions(v.Context(), "", deletionsShown)
	if err != nil {
		return err
	}
	data := map[string]any{"Title": "Set aside", "Deletions": deletions, "Causes": causes(all), "All": len(all), "Retried": number(v, "retried"), "Refused": number(v, "refused"), "Left": number(v, "left")}
	if code := v.URL.Query().Get("code"); code != "" {
		all = slices.DeleteFunc(all, func(one Aside) bool { return one.Code != code })
		data["Code"] = code
	}
	data["Count"], data["Shown"] = len(all), all[:min(len(all), asideShown)]
	return web.render(v, "aside.html", data)
}

// number reads a count that a page of ours put into the address.
func number(v *visit, name string) int {
	n, err := strconv.Atoi(v.URL.Query().Get(name))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// asideOne shows what is known of one mail that is, or was, set aside.
func (web *Web) asideOne(v *visit) error {
	record, err := web.asideRecord(v)
	if err != nil {
		return err
	}
	data := map[string]any{
		"Title": "A mail that is set aside", "Record": record, "Waits": record.GetState() == itemv1.State_STATE_SET_ASIDE && (hasLayers(record) || len(record.GetLayers()) == 0),
		"Held": len(record.GetHolds()) > 0, "Readable": layerThere(record, rawLayer), "MayAsk": v.user.Has(mayAskAside...), "MayDelete": v.user.Has(mayDelete...),
		"Layers": layersOf(Row{}, record), "Oversize": record.GetSetAside().GetCode() == codeOversize, "FetchLeast": fetchLeast(record.GetSize()), "FetchMost": fetchMost,
		"Past": newestAsides(record.GetPastAsides()), "Retried": number(v, "retried"),
	}
	asked, err := web.retention.Deletions(v.Context(), record.GetItem(), 1)
	if err != nil {
		return err
	}
	if len(asked) > 0 {
		data["Asked"], data["OnItsWay"] = asked[0], asked[0].Open()
	}
	if plan := takenBy(record); !hasLayers(record) && plan != "" {
		data["Taken"] = true
		if data["Certificate"], err = web.retention.CertificateOf(v.Context(), plan); err != nil {
			return err
		}
	}
	return web.render(v, "aside_one.html", data)
}

// takenBy is the plan that took the last of a record's layers, "" where none has.
func takenBy(record *itemv1.Record) string {
	plan := ""
	for _, layer := range record.GetLayers() {
		if layer.GetPlan() != "" {
			plan = layer.GetPlan()
		}
	}
	return plan
}

func layerThere(record *itemv1.Record, kind itemv1.LayerKind) bool {
	return Row{Record: record}.layer(kind) != nil
}

func newestAsides(past []*itemv1.SetAside) []*itemv1.SetAside {
	past = slices.Clone(past)
	slices.Reverse(past)
	return past
}

var errRetried = wrong(http.StatusConflict, "It is not set aside any more. Somebody else has taken it up again, or it has been destroyed.")

// retryAside takes up again one mail, or all that a cause set aside.
func (web *Web) retryAside(v *visit) error {
	item, code := v.PostFormValue("item"), v.PostFormValue("code")
	limit, err := fetchLimit(v.PostFormValue("limit"))
	if err != nil {
		return err
	}
	switch {
	case item != "" && code == "":
		if !event.IsItem(item) {
			return vault.ErrNotFound
		}
		record, err := web.retention.Record(v.Context(), item)
		if err != nil {
			return err
		}
		if limit > 0 && record.GetSize() > limit {
			return wrong(http.StatusBadRequest, "The mail has "+size(record.GetSize())+": the limit must be no less.")
		}
		changed, err := web.asides.Retry(v.Context(), item, v.user.Name, limit)
		if err != nil {
			return err
		}
		if !changed {
			return errRetried
		}
		return redirect(v, "/aside/"+item+"?retried=1")
	case code != "" && item == "":
		return web.retryAll(v, code, limit)
	}
	return wrong(http.StatusBadRequest, "Say what is to be tried again: one mail, or all of a cause.")
}

// retryAll passes over those that the keyring refuses for good, and counts them. It stops at
// the first one that fails for a reason that passes with time: the others would, too.
func (web *Web) retryAll(v *visit, code string, limit int64) error {
	all, err := web.asides.Aside(v.Context())
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(one Aside) bool { return one.Code != code || one.Leaving })
	slices.Reverse(all) // the oldest have waited longest
	retried, refusals := 0, 0
	for _, one := range all[:min(len(all), retriedAtOnce)] {
		changed, err := web.asides.Retry(v.Context(), one.Item, v.user.Name, limit)
		if errors.Is(err, keys.Destroyed) {
			continue // it waits no more
		}
		if refused(err) {
			web.log.Warn("mail that is set aside cannot be tried again", "item", one.Item, "err", err)
			refusals++
			continue
		}
		if err != nil {
			web.log.Warn("not all are tried again", "retried", retried, "err", err)
			return wrong(http.StatusServiceUnavailable, fmt.Sprintf("%d of %d were taken up again; then the desk could not go on. Nothing is lost; try again in a moment.", retried, len(all)))
		}
		if changed {
			retried++
		}
	}
	values := url.Values{"retried": {strconv.Itoa(retried)}}
	if refusals > 0 {
		values.Set("refused", strconv.Itoa(refusals))
	}
	if left := len(all) - min(len(all), retriedAtOnce); left > 0 {
		values.Set("left", strconv.Itoa(left))
	}
	return redirect(v, "/aside?"+values.Encode())
}

// fetchLimit reads MiB, "" for what is configured.
func fetchLimit(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	mib, err := strconv.ParseInt(text, 10, 64)
	if err != nil || mib < 1 || mib > fetchMost {
		return 0, wrong(http.StatusBadRequest, fmt.Sprintf("The limit is a whole number of MiB, from 1 to %d.", fetchMost))
	}
	return mib << 20, nil
}

// fetchLeast is the lowest limit within which a mail can be fetched, in MiB.
func fetchLeast(bytes int64) int64 { return max(1, (bytes+1<<20-1)>>20) }

func redirect(v *visit, to string) error {
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}
