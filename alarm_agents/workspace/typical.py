"""What packed records are likely to say, by format: dictionaries that deflate may refer to.

None of them must ever change: another text is another format, or what was written with this one cannot be read any
more.
"""

FIRST = (
    '"severity":2,"unknown_rules":[],"screen_text":[],"zones":[],"note":"","confidence":0.9,"similar":[{"case":'
    '"","label":"anomalous","similarity":0.9,"text":"","expert":"appearance","expert":"geometry","parse":"parse'
    'd",{"window":{"id":":000","source":"","start":0.0,"end":0.0,"first":0,"last":0,"fps":10.0,"steps":[[0,1000'
    "00,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000],[0,1"
    ',1,1,1,1,1,1,1,1,1,1,1,1,1,1]]},"score":0.05,"frame_scores":[0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,'
    '0.05,0.05,0.05,0.05,0.05,0.05,0.05],"p_value":0.6667,"budget_verified":true,"title":"Normal","explanation"'
    ':"embedded: the fastest thing moves at usually 1.74 and at most 2.26 times the speed that is usual at its '
    "place (here 1.93, limit 2.26); something small stays for usually 1.00 and at most 1.39 seconds (here 1.00,"
    ' limit 1.39). No model took part: experts and rules alone judged this. uncertainty 0.10 is under 0.60","de'
    'cision":"accept","uncertainty":{"analysis":0.1,"weights":{"analysis":1.0},"score":0.1,"decision":"accept",'
    '"reason":"uncertainty 0.10 is under 0.60"},"measurements":[{"expert":"motion","score":"ratio","frames":{"s'
    'peed":[0.1267,0.1295],"moving":[0.06279,0.06683],"still":[0.1356,0.1214],"tall":[1.467,1.405],"wide":[0.94'
    '94,0.9528],"ratio":[1.72,1.714]}},{"expert":"presence","score":"stays","frames":{"stays":[5.05,5.11],"left'
    '":[1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0]}},{"expert":"camera","score":"","frame'
    's":{"blind":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]}}],"perceptions":[{"member":'
    '"embedded","model":"embedded","facts":[{"subject":"object 29","attribute":"speed ratio","value":2.33,"unit'
    '":"times usual","text":"object 29 moves 2.3 times the usual speed here (0.18 picture heights/s)","region":'
    '[0.825,0.4708,0.8833,0.6583],"track":"29","time":16.5,"perceiver":"motion","measure":"motion.ratio"},{"sub'
    'ject":"picture","attribute":"moving share","value":0.0775,"unit":"share of the picture","text":"up to 7.7%'
    ' of the picture moves at once","perceiver":"motion","measure":"motion.moving"},{"subject":"picture","attri'
    'bute":"still share","value":0.156,"unit":"share of what is there","text":"16% of what is there stands stil'
    'l","perceiver":"motion","measure":"motion.still"},{"subject":"thing","attribute":"stays","value":5.3,"unit'
    '":"s","text":"something, 0.97 times as tall as things usually are, has been there for 5.3 s","region":[0.7'
    '167,0.3375,0.7583,0.45],"time":16.2,"perceiver":"presence","measure":"presence.stays"}],"caption":"object '
    "29 moves 2.3 times the usual speed here (0.18 picture heights/s); up to 7.7% of the picture moves at once;"
    " 16% of what is there stands still; something, 0.97 times as tall as things usually are, has been there fo"
    'r 5.3 s","scores":{"motion.speed":0.143,"motion.moving":0.07294,"motion.still":0.1356,"motion.tall":1.607,'
    '"motion.wide":1.117,"motion.ratio":1.929,"presence.stays":5.232,"presence.left":1.0,"camera.blind":0.0},"p'
    'arse":"embedded"}],"verdicts":[{"member":"embedded","model":"embedded","label":"normal","p_anomaly":0.05,"'
    'p_value":0.6667,"budget_verified":true,"frames":[0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.'
    '05,0.05,0.05,0.05,0.05],"rationale":"the fastest thing moves at usually 1.74 and at most 2.26 times the sp'
    "eed that is usual at its place (here 1.93, limit 2.26); something small stays for usually 1.00 and at most"
    ' 1.39 seconds (here 1.00, limit 1.39)","rules":[{"id":"motion-ratio-usual","version":1},{"id":"presence-le'
    'ft-usual","version":1}],"parse":"embedded"}],"rules":[{"id":"motion-ratio-usual","version":1},{"id":"prese'
    'nce-left-usual","version":1}],"revision":1,"trace_id":"'
)
SECOND = (
    '{"subject":"object 29","attribute":"speed ratio","value":2.03,"unit":"times usual","text":"object 29'
    ' moves 2 times the usual speed here (0.23 picture heights/s)","region":[0.2528,0.5958,0.3167,0.8083]'
    ',"track":"29","time":19.1,"perceiver":"motion","measure":"motion.ratio"},{"window":{"id":"stream:000'
    '152000","source":"stream","start":152.0,"end":153.6,"first":1520,"last":1535,"fps":10.0,"steps":[[0,'
    "100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,10"
    '0000],[0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]]},"score":0.06741,"frame_scores":[0.03877,0.04785,0.04863,0.'
    "05284,0.02536,0.03778,0.03558,0.03304,0.03617,0.04939,0.06741,0.04967,0.06617,0.05186,0.04498,0.0557"
    '3],"p_value":1.0,"budget_verified":true,"title":"Normal","explanation":"embedded: the oddest thing l'
    "ooks usually 2.45 and at most 5.01 times as unlike the references as things usually do (here 2.63, l"
    "imit 5.01); things cover usually 1.26 and at most 5.25 times as much of the picture as usual (here 1"
    ".27, limit 5.25); the oddest outline is usually 1.57 and at most 3.59 times as unusual as most (here"
    " 1.84, limit 3.59); the fastest thing moves at usually 1.75 and at most 2.33 times the speed that is"
    " usual at its place (here 1.80, limit 2.33); the share of what is there that stands still is usually"
    " 0.30 and at most 0.57 (here 0.30, limit 0.57); the share of a thing that should be there by now and"
    " is not is usually 0.37 and at most 0.98 (here 0.36, limit 0.98); something small stays for usually "
    "1.00 and at most 1.45 seconds (here 1.00, limit 1.45). No model took part: experts and rules alone j"
    'udged this. uncertainty 0.13 is under 0.60","decision":"accept","uncertainty":{"analysis":0.1348,"we'
    'ights":{"analysis":1.0},"score":0.1348,"decision":"accept","reason":"uncertainty 0.13 is under 0.60"'
    '},"measurements":[{"expert":"motion","score":"ratio","frames":{"speed":[4,[1472,9,-27,107,-51,-80,-9'
    ',-16,145,-80,-78,24,59,96,93,-180]],"moving":[4,[1388,-24,-37,-39,-7,-19,-47,36,61,46,50,56,-2,17,5,'
    '-43]],"still":[1,[3,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]],"tall":[3,[1198,33,5,40,-100,-85,62,51,-51,-72,8'
    '0,48,127,-136,-44,125]],"wide":[4,[9016,1514,1180,60,-2260,-1014,1864,1250,-1080,-1322,882,1080,1650'
    ',-1940,-1552,3932]],"ratio":[3,[1700,37,3,15,-126,67,-10,-13,15,55,57,-56,53,-45,-26,39]]}},{"expert'
    '":"geometry","score":"shape","frames":{"shape":[4,[11330,-2533,-571,726,7108,2350,-4520,-3440,-2179,'
    '959,510,-1234,-1402,747,-478,3477]],"crowding":[3,[1135,-20,5,7,-14,-24,5,28,19,7,3,32,39,25,5,16]]}'
    '},{"expert":"appearance","score":"look","frames":{"look":[3,[2324,-62,-171,-104,197,118,102,62,-274,'
    '-165,92,55,288,173,-221,-133]]}},{"expert":"presence","score":"stays","frames":{"stays":[2,[375,10,1'
    '0,10,10,10,10,10,10,10,10,10,10,10,10,10]],"left":[1,[10,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]],"absent":[4'
    ',[3433,29,112,-27,-297,-500,-165,-234,-99,-101,75,-91,-12,-8,463,372]]}},{"expert":"camera","score":'
    '"","frames":{"blind":[1,[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]}}],"perceptions":[{"member":"embedded","m'
    'odel":"embedded","facts":[{"subject":"the fastest motion","attribute":"speed ratio","value":1.89,"un'
    'it":"times usual","text":"the fastest motion is 1.9 times the usual speed here (0.11 picture heights'
    '/s)","region":[0.15,0.3542,0.2167,0.5083],"time":153.0,"perceiver":"motion","measure":"motion.ratio"'
    '},{"subject":"picture","attribute":"moving share","value":0.155,"unit":"share of the picture","text"'
    ':"up to 15.5% of the picture moves at once","perceiver":"motion","measure":"motion.moving"},{"subjec'
    't":"picture","attribute":"still share","value":0.3,"unit":"share of what is there","text":"30% of wh'
    'at is there stands still","perceiver":"motion","measure":"motion.still"},{"subject":"thing","attribu'
    'te":"shape","value":2.67,"unit":"times usual","text":"something is 0.33 times as tall and 0.33 times'
    ' as wide as things usually are tall here: an outline 2.7 times as unusual as most","region":[0.15,0.'
    '7625,0.2,0.8375],"time":152.4,"perceiver":"geometry","measure":"geometry.shape"},{"subject":"picture'
    '","attribute":"crowding","value":1.29,"unit":"times usual","text":"things cover 1.3 times as much of'
    ' the picture as usual","perceiver":"geometry","measure":"geometry.crowding"},{"subject":"thing","att'
    'ribute":"look","value":2.89,"unit":"times usual","text":"something looks 2.9 times as unlike the ref'
    'erences as things usually do","region":[0.1194,0.4167,0.1889,0.5375],"time":153.2,"perceiver":"appea'
    'rance","measure":"appearance.look"},{"subject":"thing","attribute":"stays","value":5.4,"unit":"s","t'
    'ext":"something, 0.66 times as tall as things usually are, has been there for 5.4 s","region":[0.341'
    '7,0.5125,0.4,0.6125],"time":153.5,"perceiver":"presence","measure":"presence.stays"},{"subject":"pic'
    'ture","attribute":"absent","value":0.397,"unit":"share of a thing","text":"nothing has come here for'
    ' 17.1 s, and something should be here by now","region":[0.1583,0.3375,0.95,0.725],"time":152.0,"perc'
    'eiver":"presence","measure":"presence.absent"}],"caption":"the fastest motion is 1.9 times the usual'
    " speed here (0.11 picture heights/s); up to 15.5% of the picture moves at once; 30% of what is there"
    " stands still; something is 0.33 times as tall and 0.33 times as wide as things usually are tall her"
    "e: an outline 2.7 times as unusual as most; things cover 1.3 times as much of the picture as usual; "
    "something looks 2.9 times as unlike the references as things usually do; something, 0.66 times as ta"
    "ll as things usually are, has been there for 5.4 s; nothing has come here for 17.1 s, and something "
    'should be here by now","scores":"maxima","parse":"embedded"}],"verdicts":[{"member":"embedded","mode'
    'l":"embedded","label":"normal","p_anomaly":0.06741,"p_value":1.0,"budget_verified":true,"frames":[0.'
    "03877,0.04785,0.04863,0.05284,0.02536,0.03778,0.03558,0.03304,0.03617,0.04939,0.06741,0.04967,0.0661"
    '7,0.05186,0.04498,0.05573],"rationale":"the oddest thing looks usually 2.45 and at most 5.01 times a'
    "s unlike the references as things usually do (here 2.63, limit 5.01); things cover usually 1.26 and "
    "at most 5.25 times as much of the picture as usual (here 1.27, limit 5.25); the oddest outline is us"
    "ually 1.57 and at most 3.59 times as unusual as most (here 1.84, limit 3.59); the fastest thing move"
    "s at usually 1.75 and at most 2.33 times the speed that is usual at its place (here 1.80, limit 2.33"
    "); the share of what is there that stands still is usually 0.30 and at most 0.57 (here 0.30, limit 0"
    ".57); the share of a thing that should be there by now and is not is usually 0.37 and at most 0.98 ("
    "here 0.36, limit 0.98); something small stays for usually 1.00 and at most 1.45 seconds (here 1.00, "
    'limit 1.45)","rules":[{"id":"appearance-look-usual","version":1},{"id":"geometry-crowding-usual","ve'
    'rsion":1},{"id":"geometry-shape-usual","version":1},{"id":"motion-ratio-usual","version":1},{"id":"m'
    'otion-still-usual","version":1},{"id":"presence-absent-usual","version":1},{"id":"presence-left-usua'
    'l","version":1}],"parse":"embedded"}],"rules":[{"id":"appearance-look-usual","version":1},{"id":"geo'
    'metry-crowding-usual","version":1},{"id":"geometry-shape-usual","version":1},{"id":"motion-ratio-usu'
    'al","version":1},{"id":"motion-still-usual","version":1},{"id":"presence-absent-usual","version":1},'
    '{"id":"presence-left-usual","version":1}],"revision":1,"trace_id":"073c8d0dfa96fcbe00bb1856ab9d3d9b"'
    "}"
)

DICTIONARIES = {1: FIRST, 2: FIRST + SECOND}
