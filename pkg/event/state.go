package event

import (
	"strings"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// HeaderState is the header in which a record's message repeats its state, so that
// who looks for standstill need not read payloads.
const HeaderState = "Postern-State"

// HeaderRetried is the header in which the message of a registered record says that somebody
// has taken it up again and nobody stored its mail anew since.
const HeaderRetried = "Postern-Retried"

// Retried is what HeaderRetried says of a record.
func Retried(r *itemv1.Record) bool {
	past := r.GetPastAsides()
	if r.GetState() != itemv1.State_STATE_REGISTERED || len(past) == 0 {
		return false
	}
	raw := rawOf(r)
	return raw != nil && raw.GetAttempted().AsTime().Before(past[len(past)-1].GetRetried().AsTime())
}

func rawOf(r *itemv1.Record) *itemv1.Layer {
	for _, layer := range r.GetLayers() {
		if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW {
			return layer
		}
	}
	return nil
}

// Waiting is since when a mail waits to get through: since it was received, or since somebody
// last took it up again.
func Waiting(r *itemv1.Record) time.Time {
	since := r.GetReceived().AsTime()
	for _, aside := range r.GetPastAsides() {
		if again := aside.GetRetried(); again.IsValid() && again.AsTime().After(since) {
			since = again.AsTime()
		}
	}
	return since
}

// Taken is when its present original was taken in, or since when it waits, whichever is later:
// a mail can be old when it comes.
func Taken(r *itemv1.Record) time.Time {
	since := Waiting(r)
	if at := rawOf(r).GetAttempted(); at.IsValid() && at.AsTime().After(since) {
		return at.AsTime()
	}
	return since
}

// HeadersOnly tells a record under which there are only the headers of its mail, or nothing of
// it. No comparison of sizes tells that: sealing adds bytes, and servers are wrong about sizes.
func HeadersOnly(r *itemv1.Record) bool { return r.GetHeadersOnly() }

// Lacking tells a record that was taken up again and whose mail is still to be fetched. Of one
// that was erased meanwhile nothing is.
func Lacking(r *itemv1.Record) bool {
	if r.GetState() != itemv1.State_STATE_REGISTERED || len(r.GetPastAsides()) == 0 || !HeadersOnly(r) {
		return false
	}
	return rawOf(r).GetState() == itemv1.LayerState_LAYER_STATE_PRESENT
}

// Place is where the server has an item's mail, and its INTERNALDATE there: where it was found again, where its
// folder was numbered anew.
func Place(r *itemv1.Record) *itemv1.Place {
	if p := r.GetPlace(); p != nil {
		if p.GetInternalDate() == nil {
			return &itemv1.Place{UidValidity: p.GetUidValidity(), Uid: p.GetUid(), Generation: p.GetGeneration(), InternalDate: r.GetInternalDate()}
		}
		return p
	}
	return &itemv1.Place{UidValidity: r.GetUidValidity(), Uid: r.GetUid(), Generation: r.GetGeneration(), InternalDate: r.GetInternalDate()}
}

// HeaderJudged is the header in which the message of a ticket's record says what JudgedWith does. A ticket's
// record without it is from before there was one.
const HeaderJudged = "Postern-Judged"

// HeaderRecalled is the header in which the message of a record says when something of it was last recalled.
const HeaderRecalled = "Postern-Recalled"

// Words in the place of a version of signatures.
const (
	Unjudged = "unknown" // in JudgedWith and HeaderJudged: which they were is not known
	NoFiles  = "none"    // in HeaderJudged: agents can open no file
)

// JudgedWith is the version of the signatures that the files of a ticket were last judged with. There is
// none where agents can open no file of it.
func JudgedWith(r *itemv1.Record) (version string, files bool) {
	if r.GetState() != itemv1.State_STATE_TICKETED || len(Files(r)) == 0 {
		return "", false
	}
	if version = r.GetFindings().GetSignatures(); version == "" {
		version = Unjudged
	}
	return version, true
}

// firstFile is the first packet of a view layer that can be a file: before it are card and message.
const firstFile = 2

// Files are the packets of a record's view, where it is there, that are files or made of files.
func Files(r *itemv1.Record) []int32 {
	var files []int32
	for _, layer := range r.GetLayers() {
		if layer.GetKind() != itemv1.LayerKind_LAYER_KIND_VIEW || layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
			continue
		}
		for packet := firstFile; packet < len(layer.GetPacketEnds()); packet++ {
			files = append(files, int32(packet))
		}
	}
	return files
}

// RecalledFile is what a record says of a file of its view that is not handed out any more; nil where it is.
func RecalledFile(r *itemv1.Record, packet int32) *itemv1.Recalled {
	for _, recalled := range r.GetRecalled() {
		if recalled.GetPacket() == packet {
			return recalled
		}
	}
	return nil
}

// RecordHeaders are the headers of a record's message.
func RecordHeaders(r *itemv1.Record) map[string][]string {
	headers := map[string][]string{HeaderState: {StateWord(r.GetState())}}
	if Retried(r) {
		headers[HeaderRetried] = []string{"yes"}
	}
	if version, files := JudgedWith(r); files {
		headers[HeaderJudged] = []string{version}
	} else if r.GetState() == itemv1.State_STATE_TICKETED {
		headers[HeaderJudged] = []string{NoFiles}
	}
	if n := len(r.GetRecalled()); n > 0 {
		headers[HeaderRecalled] = []string{r.GetRecalled()[n-1].GetTime().AsTime().Format(time.RFC3339)}
	}
	return headers
}

// StateWord is a state as HeaderState carries it: registered, filed, set_aside.
func StateWord(s itemv1.State) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "STATE_"))
}
