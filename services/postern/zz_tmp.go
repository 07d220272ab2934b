package main

import "context"

func fleetCommand(context.Context, []string, stdio) int    { return failed }
