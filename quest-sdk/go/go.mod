module questhost/quest

go 1.27
