package keyring

import (
	"container/list"
	"sync"

	"google.golang.org/protobuf/proto"
)

// A cache keeps the records that were last read or written. Only the writer has one: what
// it holds is what the writer itself put there. Records in it are never changed.
type cache struct {
	mu    sync.Mutex
	limit int64
	size  int64
	order *list.List // of *cached, the last used in front
	items map[string]*list.Element
}

type cached struct {
	stored Stored
	size   int64
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, order: list.New(), items: make(map[string]*list.Element)}
}

func (c *cache) get(item string) (Stored, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[item]
	if e == nil {
		return Stored{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).stored, true
}

func (c *cache) put(s Stored) {
	size := int64(proto.Size(s.Record)) + 256
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(s.Record.Item)
	if size > c.limit {
		return
	}
	c.items[s.Record.Item] = c.order.PushFront(&cached{s, size})
	c.size += size
	for c.size > c.limit {
		c.remove(c.order.Back().Value.(*cached).stored.Record.Item)
	}
}

func (c *cache) drop(item string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(item)
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order.Init()
	clear(c.items)
	c.size = 0
}

func (c *cache) remove(item string) {
	if e := c.items[item]; e != nil {
		c.order.Remove(e)
		delete(c.items, item)
		c.size -= e.Value.(*cached).size
	}
}
