package main

import (
	"strings"

	"questhost/quest"
)

// Collector makes far more garbage than memory holds, while the host hands values over (collector.toml): Go's collector may begin at any
// moment, and a module that is being handed something may ask the host for nothing.
type Collector struct{ Rounds int }

func (c *Collector) Churn(size int) error {
	for range 2000 {
		if err := quest.Set("big", strings.Repeat("x", size)); err != nil {
			return err
		}
		var back string
		if _, err := quest.Get("big", &back); err != nil || len(back) != size {
			return err
		}
		c.Rounds++
	}
	return nil
}

var sink []byte

func (c *Collector) Garbage(size int) {
	for range 2000 {
		sink = make([]byte, size)
		c.Rounds++
	}
}

func init() {
	collector := quest.New[Collector]("collector").AddOn("begin-collector")
	collector.Action("churn", (*Collector).Churn)
	collector.Action("garbage", (*Collector).Garbage)
}
