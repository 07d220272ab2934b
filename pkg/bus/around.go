package bus

// A Kind names a kind of call on the bus.
type Kind string

const (
	CallPublish Kind = "publish" // Publish, and the sending half of PublishAsync
	CallWait    Kind = "wait"    // the waiting half of PublishAsync
	CallRequest Kind = "request"
	CallAnswer  Kind = "answer" // the reply of a served request
	CallLast    Kind = "last"
	CallScan    Kind = "scan" // one batch of a scan
	CallPull    Kind = "pull"
	CallAck     Kind = "ack"
	CallNak     Kind = "nak"
	CallTerm    Kind = "term"
	CallBeat    Kind = "beat" // a heartbeat of work in progress
)

// A Call is one call that is about to be made.
type Call struct {
	Kind    Kind
	Subject string // or the stream, for CallScan
}

// An Around is called for every call on a connection and must call do once, or
// return an error without it. What it returns is what the caller sees. It may be
// called from several goroutines.
type Around func(call Call, do func() error) error

func straight(_ Call, do func() error) error { return do() }
