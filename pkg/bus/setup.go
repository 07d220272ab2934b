package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// SetupOptions say how the streams are kept.
type SetupOptions struct {
	Replicas int // 1 or 3; 0 is 1
}

// Setup creates the streams and consumers of the topology, and brings those that exist
// up to it. It needs the credential of topology.Setup. Streams that are kept for ever
// are created and never changed. It may be repeated.
func (c *Conn) Setup(ctx context.Context, o SetupOptions) error {
	for _, s := range topology.Streams {
		config := streamConfig(s, max(o.Replicas, 1))
		_, err := c.js.CreateStream(ctx, config)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) && !s.Forever {
			_, err = c.js.UpdateStream(ctx, config)
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return fmt.Errorf("stream %s exists with other limits, and Postern may not change them", s.Name)
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	for _, d := range topology.AllConsumers() {
		if _, err := c.js.CreateOrUpdateConsumer(ctx, d.Stream, consumerConfig(d)); err != nil {
			if old, lost := c.js.Consumer(ctx, d.Stream, d.Name); lost == nil && old.CachedInfo().Config.MemoryStorage {
				return fmt.Errorf("consumer %s of %s is one that the server keeps in memory and forgets when it ends: restart the server, then run setup again", d.Name, d.Stream)
			}
			return fmt.Errorf("consumer %s of %s: %w", d.Name, d.Stream, err)
		}
		if d.Inlet == nil {
			continue
		}
		if err := c.realign(ctx, d.Stream, d.Name); err != nil {
			return fmt.Errorf("consumer %s of %s: %w", d.Name, d.Stream, err)
		}
	}
	return nil
}

// Check returns nil when every stream and consumer that this service touches exists.
func (c *Conn) Check(ctx context.Context) error {
	service, known := topology.ServiceNamed(c.service)
	if !known {
		return fmt.Errorf("check: service %s is not in the topology", c.service)
	}
	var missing []error
	for _, stream := range service.Touches() {
		if err := c.info(ctx, "STREAM.INFO."+stream, nil); err != nil {
			missing = append(missing, fmt.Errorf("stream %s: %w", stream, err))
		}
	}
	for _, consumer := range service.Stages() {
		if err := c.info(ctx, "CONSUMER.INFO."+consumer.Stream+"."+consumer.Stage, nil); err != nil {
			missing = append(missing, fmt.Errorf("consumer %s: %w", consumer.Stage, err))
		}
	}
	for _, stream := range service.Headers {
		name := topology.HeadersConsumer(c.service)
		if err := c.info(ctx, "CONSUMER.INFO."+stream+"."+name, nil); err != nil {
			missing = append(missing, fmt.Errorf("consumer %s: %w", name, err))
		}
	}
	return errors.Join(missing...)
}

func streamConfig(s topology.Stream, replicas int) jetstream.StreamConfig {
	config := jetstream.StreamConfig{
		Name:        s.Name,
		Subjects:    s.Subjects(),
		Storage:     jetstream.FileStorage,
		Replicas:    replicas,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      s.MaxAge,
		Duplicates:  topology.DuplicateWindow,
		MaxMsgSize:  MaxPayload,
		AllowDirect: true,
		AllowMsgTTL: s.TTL,
		DenyDelete:  s.Forever,
		DenyPurge:   s.Forever,
	}
	if as := s.ToldAs(); as != "" {
		config.RePublish = &jetstream.RePublish{Source: ">", Destination: as, HeadersOnly: true}
	}
	if s.LastOnly {
		config.MaxMsgsPerSubject = 1
	}
	if s.Async && replicas == 1 {
		config.PersistMode = jetstream.AsyncPersistMode
	}
	return config
}

func consumerConfig(d topology.Durable) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		Name: d.Name, Durable: d.Name,
		DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	if d.Inlet == nil {
		config.AckPolicy = jetstream.AckNonePolicy
		config.HeadersOnly = true // on disk like the others: nobody but setup could make it again
		return config
	}
	config.AckPolicy = jetstream.AckExplicitPolicy
	config.AckWait = d.Inlet.AckWait
	config.MaxDeliver = -1
	config.MaxAckPending = topology.MaxWaiting
	config.FilterSubject = d.Inlet.Takes
	return config
}
